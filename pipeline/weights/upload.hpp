// pipeline/weights/upload.hpp: tensors read from files into host or GPU memory, chunk by chunk on all cores, and
// converted on the way to the target's dtype, rounding to nearest even.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

#include <array>
#include <cstdint>
#include <optional>

#include "pipeline/weights/byte_source.hpp"
#include "pipeline/weights/tensor_file.hpp"

namespace wf {

/// Reads a row-major entry into `target`: contiguous, in host memory (pinned or not), with as many elements, of any
/// dtype. Needs at most 256 KiB per thread besides the tensor. Throws what ByteSource::visit() throws.
void read_to_host(ByteSource& source, const MappedFile& file, const TensorEntry& entry, const at::Tensor& target);

/// The entry as a new host tensor with the dtype and strides that it has in the file. Throws like read_to_host().
at::Tensor read_as_stored(ByteSource& source, const MappedFile& file, const TensorEntry& entry);

/// Fills tensors on one GPU through a ring of pinned buffers: while all cores fill one buffer from the file, earlier
/// ones are copied to the GPU in the file's dtype and converted there. For one thread at a time.
class Uploader {
 public:
  /// `chunk_bytes`, a multiple of 8, is the size of each of the four buffers. On a CPU device, which only tests use,
  /// nothing is pinned and every copy is synchronous.
  explicit Uploader(at::Device device, std::uint64_t chunk_bytes = 32 << 20);

  at::Device device() const noexcept { return device_; }

  /// Does what read_to_host() does for a `target` on the GPU. Returns when the file is read: work that is queued on the
  /// current stream afterwards sees the complete tensor.
  void upload(ByteSource& source, const MappedFile& file, const TensorEntry& entry, const at::Tensor& target);

 private:
  struct Buffer {
    at::Tensor bytes;
    std::optional<c10::Event> copied;  ///< Recorded after the copy to the GPU; then the buffer may be refilled.
  };
  Buffer& next_free();
  void send(const at::Tensor& chunk, const at::Tensor& target, Buffer& buffer);

  at::Device device_;
  std::uint64_t chunk_bytes_;
  std::array<Buffer, 4> ring_;
  std::size_t next_ = 0;
};

}  // namespace wf
