#include "pipeline/weights/upload.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/TensorIterator.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <functional>
#include <latch>
#include <mutex>

#include "pipeline/weights/aten_dtype.hpp"

namespace wf {
namespace {

/// What several threads do together: each takes the next slice when it is done with one, so a file is read nearly in
/// order, and nobody waits long for a thread that the disk holds up. The first error ends it for all.
class SharedWork {
 public:
  SharedWork(std::uint64_t bytes, std::uint64_t slice,
             std::function<void(std::uint64_t begin, std::uint64_t size)> work)
      : bytes_(bytes), slice_(slice), work_(std::move(work)) {}

  void take_part() {
    try {
      for (std::uint64_t begin = next_.fetch_add(slice_); begin < bytes_; begin = next_.fetch_add(slice_))
        work_(begin, std::min(slice_, bytes_ - begin));
    } catch (...) {
      next_ = bytes_;
      const std::lock_guard lock(failing_);
      if (!failure_) failure_ = std::current_exception();
    }
  }

  void rethrow_failure() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  std::uint64_t bytes_, slice_;
  std::function<void(std::uint64_t, std::uint64_t)> work_;
  std::atomic<std::uint64_t> next_ = 0;
  std::mutex failing_;
  std::exception_ptr failure_;
};

/// Calls work(begin, size) for every slice of so many bytes, on this thread and ATen's pool for whole tasks. (Not
/// at::parallel_for: it is serial in code that is not compiled for OpenMP, and OpenMP's threads spin while the disk is
/// waited for.)
void over_slices(std::uint64_t bytes, std::uint64_t slice, std::function<void(std::uint64_t, std::uint64_t)> work) {
  SharedWork shared(bytes, slice, std::move(work));
  const std::uint64_t most = at::get_num_threads(), slices = (bytes + slice - 1) / slice;
  const auto helpers = static_cast<std::ptrdiff_t>(slices > 1 ? std::min(most, slices) - 1 : 0);
  std::latch done(helpers);
  for (std::ptrdiff_t i = 0; i < helpers; ++i)
    at::launch([&] {
      shared.take_part();
      done.count_down();
    });
  shared.take_part();
  done.wait();
  shared.rethrow_failure();
}

std::byte* data_of(const at::Tensor& tensor) { return static_cast<std::byte*>(tensor.data_ptr()); }

void read_bytes(const MappedFile& file, std::uint64_t offset, std::uint64_t bytes, std::byte* into) {
  over_slices(bytes, 1 << 20, [&](std::uint64_t begin, std::uint64_t size) {
    file.read(offset + begin, {into + begin, size});
  });
}

}  // namespace

void read_to_host(const MappedFile& file, const TensorEntry& entry, const at::Tensor& target) {
  const at::ScalarType stored = to_aten(entry.dtype);
  if (stored == target.scalar_type()) return read_bytes(file, entry.offset, entry.bytes, data_of(target));
  const at::Tensor flat = target.view(-1);
  const std::uint64_t element = size_of(entry.dtype);
  // So few that copy_ converts them on the thread that calls it, while they are in its core's cache.
  over_slices(entry.bytes, at::internal::GRAIN_SIZE * element, [&](std::uint64_t begin, std::uint64_t size) {
    const at::Tensor slice = at::empty({static_cast<std::int64_t>(size / element)}, stored);
    file.read(entry.offset + begin, {data_of(slice), size});
    flat.narrow(0, static_cast<std::int64_t>(begin / element), slice.numel()).copy_(slice);
  });
}

at::Tensor read_as_stored(const MappedFile& file, const TensorEntry& entry) {
  const auto elements = static_cast<std::int64_t>(entry.bytes / size_of(entry.dtype));
  const at::Tensor extent = at::empty({elements}, to_aten(entry.dtype));
  read_bytes(file, entry.offset, entry.bytes, data_of(extent));
  return extent.as_strided(entry.shape, entry.strides);
}

Uploader::Uploader(at::Device device, std::uint64_t piece_bytes) : device_(device), piece_bytes_(piece_bytes) {
  const auto pinned = at::TensorOptions(at::kByte).pinned_memory(!device.is_cpu());
  for (Buffer& buffer : ring_) {
    buffer.bytes = at::empty({static_cast<std::int64_t>(piece_bytes)}, pinned);
    if (!device.is_cpu()) buffer.copied.emplace(device.type());
  }
}

/// Waits for the copy out of the oldest buffer.
Uploader::Buffer& Uploader::next_free() {
  Buffer& buffer = ring_[next_++ % ring_.size()];
  if (buffer.copied) buffer.copied->synchronize();  // at once when nothing was ever copied
  return buffer;
}

/// All on the current stream, so a GPU's memory for the piece in the file's dtype can be given back at once.
void Uploader::send(const at::Tensor& piece, const at::Tensor& target, Buffer& buffer) {
  if (piece.scalar_type() == target.scalar_type())
    target.copy_(piece, /*non_blocking=*/true);
  else  // on its own, copy_ would convert on one core of the host
    target.copy_(piece.to(device_, /*non_blocking=*/true));
  if (buffer.copied) buffer.copied->record(c10::impl::VirtualGuardImpl(device_.type()).getStream(device_));
}

void Uploader::upload(const MappedFile& file, const TensorEntry& entry, const at::Tensor& target) {
  const at::Tensor flat = target.view(-1);
  const std::uint64_t element = size_of(entry.dtype);
  for (std::uint64_t begin = 0; begin < entry.bytes; begin += piece_bytes_) {
    const std::uint64_t size = std::min(piece_bytes_, entry.bytes - begin);
    Buffer& buffer = next_free();
    read_bytes(file, entry.offset + begin, size, data_of(buffer.bytes));
    const at::Tensor piece = buffer.bytes.narrow(0, 0, static_cast<std::int64_t>(size)).view(to_aten(entry.dtype));
    send(piece, flat.narrow(0, static_cast<std::int64_t>(begin / element), piece.numel()), buffer);
  }
}

}  // namespace wf
