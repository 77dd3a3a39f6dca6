#include "pipeline/weights/upload.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/TensorIterator.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>

#include "pipeline/weights/aten_dtype.hpp"
#include "pipeline/weights/slices.hpp"

namespace wf {
namespace {

std::byte* data_of(const at::Tensor& tensor) { return static_cast<std::byte*>(tensor.data_ptr()); }

/// Bytes of the stretch from `at` on, by all cores.
void copy_bytes(const ByteSource::Stretch& stretch, std::uint64_t at, std::uint64_t bytes, std::byte* into) {
  over_slices(bytes, 1 << 20, [&](std::uint64_t begin, std::uint64_t size) {
    stretch.copy(at + begin, {into + begin, size});
  });
}

void read_extent(ByteSource& source, const MappedFile& file, const TensorEntry& entry, const at::Tensor& target) {
  source.visit(file, entry, [&](const ByteSource::Stretch& stretch) {
    copy_bytes(stretch, 0, stretch.size, data_of(target) + stretch.begin);
  });
}

}  // namespace

void read_to_host(ByteSource& source, const MappedFile& file, const TensorEntry& entry, const at::Tensor& target) {
  const at::ScalarType stored = to_aten(entry.dtype);
  if (stored == target.scalar_type()) return read_extent(source, file, entry, target);
  const at::Tensor flat = target.view(-1);
  const std::uint64_t element = size_of(entry.dtype);
  source.visit(file, entry, [&](const ByteSource::Stretch& stretch) {
    // So few that copy_ converts them on the thread that calls it, while they are in its core's cache.
    over_slices(stretch.size, at::internal::GRAIN_SIZE * element, [&](std::uint64_t begin, std::uint64_t size) {
      const at::Tensor slice = at::empty({static_cast<std::int64_t>(size / element)}, stored);
      stretch.copy(begin, {data_of(slice), size});
      flat.narrow(0, static_cast<std::int64_t>((stretch.begin + begin) / element), slice.numel()).copy_(slice);
    });
  });
}

at::Tensor read_as_stored(ByteSource& source, const MappedFile& file, const TensorEntry& entry) {
  const auto elements = static_cast<std::int64_t>(entry.bytes / size_of(entry.dtype));
  const at::Tensor extent = at::empty({elements}, to_aten(entry.dtype));
  read_extent(source, file, entry, extent);
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

void Uploader::upload(ByteSource& source, const MappedFile& file, const TensorEntry& entry, const at::Tensor& target) {
  const at::Tensor flat = target.view(-1);
  const std::uint64_t element = size_of(entry.dtype);
  source.visit(file, entry, [&](const ByteSource::Stretch& stretch) {
    for (std::uint64_t begin = 0; begin < stretch.size; begin += piece_bytes_) {
      const std::uint64_t size = std::min(piece_bytes_, stretch.size - begin);
      Buffer& buffer = next_free();
      copy_bytes(stretch, begin, size, data_of(buffer.bytes));
      const at::Tensor piece = buffer.bytes.narrow(0, 0, static_cast<std::int64_t>(size)).view(to_aten(entry.dtype));
      const auto place = static_cast<std::int64_t>((stretch.begin + begin) / element);
      send(piece, flat.narrow(0, place, piece.numel()), buffer);
    }
  });
}

}  // namespace wf
