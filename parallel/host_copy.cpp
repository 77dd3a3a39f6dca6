#include "parallel/host_copy.hpp"

#include <ATen/ATen.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

namespace wf {
namespace {

/// Bytes of a pinned buffer. LibTorch's pinned allocator rounds up to a power of two, and caches the buffer for the
/// next copy.
constexpr std::int64_t buffer_bytes = 16 << 20;

/// Two pinned buffers: one is filled while the other is emptied.
class DoubleBuffer {
 public:
  explicit DoubleBuffer(at::Device device) : stream_(c10::impl::VirtualGuardImpl(device.type()).getStream(device)) {
    for (Buffer& buffer : buffers_) {
      buffer.bytes = at::empty({buffer_bytes}, at::TensorOptions(at::kByte).pinned_memory(true));
      buffer.done.emplace(device.type());
    }
  }
  at::Tensor chunk(std::int64_t i, std::int64_t size) { return buffer(i).bytes.narrow(0, 0, size); }
  void* data(std::int64_t i) { return buffer(i).bytes.data_ptr(); }
  void queued(std::int64_t i) { buffer(i).done->record(stream_); }
  void wait(std::int64_t i) { buffer(i).done->synchronize(); }  ///< returns at once when nothing has been queued

 private:
  struct Buffer {
    at::Tensor bytes;
    std::optional<c10::Event> done;
  };
  Buffer& buffer(std::int64_t i) { return buffers_[static_cast<std::size_t>(i) % buffers_.size()]; }

  std::array<Buffer, 2> buffers_;
  c10::Stream stream_;
};

/// The i-th chunk of a tensor's bytes, at most one buffer long.
at::Tensor chunk_of(const at::Tensor& bytes, std::int64_t i) {
  return bytes.narrow(0, i * buffer_bytes, std::min(buffer_bytes, bytes.numel() - i * buffer_bytes));
}

std::int64_t chunks_of(const at::Tensor& bytes) { return (bytes.numel() + buffer_bytes - 1) / buffer_bytes; }

at::Tensor as_bytes(const at::Tensor& contiguous) { return contiguous.view({-1}).view(at::kByte); }

}  // namespace

void copy_to_host(const at::Tensor& from, void* to) {
  const at::Tensor whole = from.contiguous();
  if (whole.numel() == 0) return;
  if (whole.is_cpu()) return void(std::memcpy(to, whole.const_data_ptr(), whole.nbytes()));
  const c10::OptionalDeviceGuard on(whole.device());
  const at::Tensor bytes = as_bytes(whole);
  DoubleBuffer buffers(whole.device());
  const auto empty_buffer = [&](std::int64_t i) {
    buffers.wait(i);
    std::memcpy(static_cast<std::byte*>(to) + i * buffer_bytes, buffers.data(i), chunk_of(bytes, i).nbytes());
  };
  const std::int64_t last = chunks_of(bytes) - 1;
  for (std::int64_t i = 0; i <= last; ++i) {
    const at::Tensor chunk = chunk_of(bytes, i);
    buffers.chunk(i, chunk.numel()).copy_(chunk, /*non_blocking=*/true);
    buffers.queued(i);
    if (i > 0) empty_buffer(i - 1);
  }
  empty_buffer(last);
}

void copy_to_device(const void* from, const at::Tensor& to) {
  if (to.numel() == 0) return;
  if (to.is_cpu()) return void(std::memcpy(to.data_ptr(), from, to.nbytes()));
  const c10::OptionalDeviceGuard on(to.device());
  const at::Tensor bytes = as_bytes(to);
  DoubleBuffer buffers(to.device());
  for (std::int64_t i = 0; i < chunks_of(bytes); ++i) {
    const at::Tensor chunk = chunk_of(bytes, i);
    buffers.wait(i);
    std::memcpy(buffers.data(i), static_cast<const std::byte*>(from) + i * buffer_bytes, chunk.nbytes());
    chunk.copy_(buffers.chunk(i, chunk.numel()), /*non_blocking=*/true);
    buffers.queued(i);
  }
  for (const std::int64_t i : {0, 1}) buffers.wait(i);
}

void prepare_host_copies(at::Device device) {
  if (device.is_cpu()) return;
  const SideStream side_stream(device);
  const DoubleBuffer stash(device), fetch(device), store(device);
}

SideStream::SideStream(at::Device device) {
  if (!device.is_cpu()) guard_.reset_stream(c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device));
}

}  // namespace wf
