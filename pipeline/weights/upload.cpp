#include "pipeline/weights/upload.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/TensorIterator.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>

#include "base/watched_work.hpp"
#include "pipeline/weights/aten_dtype.hpp"
#include "pipeline/weights/chunks.hpp"

namespace wf {
namespace {

std::byte* data_of(const at::Tensor& tensor) { return static_cast<std::byte*>(tensor.data_ptr()); }

/// Copies `bytes` bytes of the chunk, starting at its offset `at`, on all cores.
void copy_bytes(const ByteSource::Chunk& source_chunk, std::uint64_t at, std::uint64_t bytes, std::byte* into) {
  for_each_chunk(bytes, 1 << 20, [&](std::uint64_t begin, std::uint64_t size) {
    source_chunk.copy(at + begin, {into + begin, size});
  });
}

/// Reads the tensor's bytes in the order and the dtype in which the file stores them.
void read_extent(ByteSource& source, const MappedFile& file, const TensorEntry& entry, const at::Tensor& target) {
  source.visit(file, entry, [&](const ByteSource::Chunk& source_chunk) {
    copy_bytes(source_chunk, 0, source_chunk.size, data_of(target) + source_chunk.begin);
    mark_progress();
  });
}

}  // namespace

void read_to_host(ByteSource& source, const MappedFile& file, const TensorEntry& entry, const at::Tensor& target) {
  const at::ScalarType stored = to_aten(entry.dtype);
  if (stored == target.scalar_type()) return read_extent(source, file, entry, target);
  const at::Tensor flat = target.view(-1);
  const std::uint64_t element = size_of(entry.dtype);
  source.visit(file, entry, [&](const ByteSource::Chunk& source_chunk) {
    // A chunk of GRAIN_SIZE elements is small enough for copy_ to convert it on the calling thread, while it is still
    // in that core's cache.
    for_each_chunk(source_chunk.size, at::internal::GRAIN_SIZE * element, [&](std::uint64_t begin, std::uint64_t size) {
      const at::Tensor chunk = at::empty({static_cast<std::int64_t>(size / element)}, stored);
      source_chunk.copy(begin, {data_of(chunk), size});
      flat.narrow(0, static_cast<std::int64_t>((source_chunk.begin + begin) / element), chunk.numel()).copy_(chunk);
    });
    mark_progress();
  });
}

at::Tensor read_as_stored(ByteSource& source, const MappedFile& file, const TensorEntry& entry) {
  const auto elements = static_cast<std::int64_t>(entry.bytes / size_of(entry.dtype));
  const at::Tensor extent = at::empty({elements}, to_aten(entry.dtype));
  read_extent(source, file, entry, extent);
  return extent.as_strided(entry.shape, entry.strides);
}

Uploader::Uploader(at::Device device, std::uint64_t chunk_bytes) : device_(device), chunk_bytes_(chunk_bytes) {
  const auto pinned = at::TensorOptions(at::kByte).pinned_memory(!device.is_cpu());
  for (Buffer& buffer : ring_) {
    buffer.bytes = at::empty({static_cast<std::int64_t>(chunk_bytes)}, pinned);
    if (!device.is_cpu()) buffer.copied.emplace(device.type());
  }
}

/// The buffer that was used longest ago, once its copy to the GPU has ended.
Uploader::Buffer& Uploader::next_free() {
  Buffer& buffer = ring_[next_++ % ring_.size()];
  if (buffer.copied) buffer.copied->synchronize();  // returns at once when the event was never recorded
  return buffer;
}

/// Queues the copy to the device and the conversion on the current stream. So the chunk's temporary GPU copy in the
/// file's dtype may be freed at once.
void Uploader::send(const at::Tensor& chunk, const at::Tensor& target, Buffer& buffer) {
  if (chunk.scalar_type() == target.scalar_type())
    target.copy_(chunk, /*non_blocking=*/true);
  else  // copy_ alone would convert on one CPU core
    target.copy_(chunk.to(device_, /*non_blocking=*/true));
  if (buffer.copied) buffer.copied->record(c10::impl::VirtualGuardImpl(device_.type()).getStream(device_));
}

void Uploader::upload(ByteSource& source, const MappedFile& file, const TensorEntry& entry, const at::Tensor& target) {
  const at::Tensor flat = target.view(-1);
  const std::uint64_t element = size_of(entry.dtype);
  source.visit(file, entry, [&](const ByteSource::Chunk& source_chunk) {
    for (std::uint64_t begin = 0; begin < source_chunk.size; begin += chunk_bytes_) {
      const std::uint64_t size = std::min(chunk_bytes_, source_chunk.size - begin);
      Buffer& buffer = next_free();
      copy_bytes(source_chunk, begin, size, data_of(buffer.bytes));
      const at::Tensor chunk = buffer.bytes.narrow(0, 0, static_cast<std::int64_t>(size)).view(to_aten(entry.dtype));
      const auto place = static_cast<std::int64_t>((source_chunk.begin + begin) / element);
      send(chunk, flat.narrow(0, place, chunk.numel()), buffer);
      mark_progress();
    }
  });
}

}  // namespace wf
