// pipeline/weights/upload.hpp: a tensor's bytes from its file to memory of the host or of a GPU, piece by piece on all
// cores, converted on the way. Rounding is to nearest even.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

#include <array>
#include <cstdint>
#include <optional>

#include "pipeline/weights/byte_source.hpp"
#include "pipeline/weights/tensor_file.hpp"

namespace wf {

/// Reads an entry without gaps (row-major) into a contiguous tensor of the host, pinned or not, with as many elements.
/// Beside the tensor it takes 256 KiB a thread. Throws as ByteSource::visit().
void read_to_host(ByteSource& source, const MappedFile& file, const TensorEntry& entry, const at::Tensor& target);

/// The entry as a tensor of the host that has the file's dtype and strides.
at::Tensor read_as_stored(ByteSource& source, const MappedFile& file, const TensorEntry& entry);

/// Fills tensors of one GPU through a ring of pinned buffers: while one is filled from the file by all cores, those
/// before it are copied, in the file's dtype, and converted on the GPU. Not for two threads at once.
class Uploader {
 public:
  /// `piece_bytes`: of each buffer, a multiple of 8. On a CPU nothing is pinned and every copy is done at once, which
  /// is for tests of the pieces.
  explicit Uploader(at::Device device, std::uint64_t piece_bytes = 32 << 20);

  at::Device device() const noexcept { return device_; }

  /// Like read_to_host. Returns when the file is read: the tensor is complete in the order of the current stream.
  void upload(ByteSource& source, const MappedFile& file, const TensorEntry& entry, const at::Tensor& target);

 private:
  struct Buffer {
    at::Tensor bytes;
    std::optional<c10::Event> copied;  ///< to the GPU, so that it may be filled anew
  };
  Buffer& next_free();
  void send(const at::Tensor& piece, const at::Tensor& target, Buffer& buffer);

  at::Device device_;
  std::uint64_t piece_bytes_;
  std::array<Buffer, 4> ring_;
  std::size_t next_ = 0;
};

}  // namespace wf
