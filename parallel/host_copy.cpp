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

/// A power of two: LibTorch's pinned allocator takes no more for it, and keeps it for the next copy.
constexpr std::int64_t half_bytes = 16 << 20;

/// One half is filled while the other is emptied.
class Window {
 public:
  explicit Window(at::Device device) : stream_(c10::impl::VirtualGuardImpl(device.type()).getStream(device)) {
    for (Half& half : halves_) {
      half.bytes = at::empty({half_bytes}, at::TensorOptions(at::kByte).pinned_memory(true));
      half.done.emplace(device.type());
    }
  }
  at::Tensor part(std::int64_t i, std::int64_t size) { return half(i).bytes.narrow(0, 0, size); }
  void* data(std::int64_t i) { return half(i).bytes.data_ptr(); }
  void queued(std::int64_t i) { half(i).done->record(stream_); }
  void wait(std::int64_t i) { half(i).done->synchronize(); }  ///< at once when nothing was queued yet

 private:
  struct Half {
    at::Tensor bytes;
    std::optional<c10::Event> done;
  };
  Half& half(std::int64_t i) { return halves_[static_cast<std::size_t>(i) % halves_.size()]; }

  std::array<Half, 2> halves_;
  c10::Stream stream_;
};

/// The i-th part of a tensor's bytes.
at::Tensor part_of(const at::Tensor& bytes, std::int64_t i) {
  return bytes.narrow(0, i * half_bytes, std::min(half_bytes, bytes.numel() - i * half_bytes));
}

std::int64_t parts_of(const at::Tensor& bytes) { return (bytes.numel() + half_bytes - 1) / half_bytes; }

at::Tensor as_bytes(const at::Tensor& contiguous) { return contiguous.view({-1}).view(at::kByte); }

}  // namespace

void copy_to_host(const at::Tensor& from, void* to) {
  const at::Tensor whole = from.contiguous();
  if (whole.numel() == 0) return;
  if (whole.is_cpu()) return void(std::memcpy(to, whole.const_data_ptr(), whole.nbytes()));
  const c10::OptionalDeviceGuard on(whole.device());
  const at::Tensor bytes = as_bytes(whole);
  Window window(whole.device());
  const auto take_out = [&](std::int64_t i) {
    window.wait(i);
    std::memcpy(static_cast<std::byte*>(to) + i * half_bytes, window.data(i), part_of(bytes, i).nbytes());
  };
  const std::int64_t last = parts_of(bytes) - 1;
  for (std::int64_t i = 0; i <= last; ++i) {
    const at::Tensor part = part_of(bytes, i);
    window.part(i, part.numel()).copy_(part, /*non_blocking=*/true);
    window.queued(i);
    if (i > 0) take_out(i - 1);
  }
  take_out(last);
}

void copy_to_device(const void* from, const at::Tensor& to) {
  if (to.numel() == 0) return;
  if (to.is_cpu()) return void(std::memcpy(to.data_ptr(), from, to.nbytes()));
  const c10::OptionalDeviceGuard on(to.device());
  const at::Tensor bytes = as_bytes(to);
  Window window(to.device());
  for (std::int64_t i = 0; i < parts_of(bytes); ++i) {
    const at::Tensor part = part_of(bytes, i);
    window.wait(i);
    std::memcpy(window.data(i), static_cast<const std::byte*>(from) + i * half_bytes, part.nbytes());
    part.copy_(window.part(i, part.numel()), /*non_blocking=*/true);
    window.queued(i);
  }
  for (const std::int64_t i : {0, 1}) window.wait(i);
}

void prepare_host_copies(at::Device device) {
  if (device.is_cpu()) return;
  const StreamBeside beside(device);
  const Window parking(device), pulling(device);
}

StreamBeside::StreamBeside(at::Device device) {
  if (!device.is_cpu()) guard_.reset_stream(c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device));
}

}  // namespace wf
