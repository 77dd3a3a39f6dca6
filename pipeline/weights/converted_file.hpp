// pipeline/weights/converted_file.hpp: weights as they are computed with, in one .safetensors file that is checked
// while it is read (block_checksums.hpp).
#pragma once

#include <ATen/core/Tensor.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "pipeline/weights/block_checksums.hpp"
#include "pipeline/weights/checkpoint.hpp"
#include "pipeline/weights/safetensors_writer.hpp"

namespace wf {

/// Writes such a file, tensor by tensor in any order, under the name FILE.part until it is complete.
class ConvertedWriter {
 public:
  /// Creates FILE.part of the file's full size, which the destructor removes unless finish() has given it its name.
  /// Throws storage.
  ConvertedWriter(const Path& file, const std::vector<PlannedTensor>& tensors, const Metadata& metadata);

  /// Writes a tensor, contiguous and in host memory, of the planned dtype and shape. Throws storage.
  void write(const std::string& name, const at::Tensor& tensor);
  /// Flushes the file and gives it its name, once every tensor has been written. Throws storage.
  void finish();

 private:
  SafetensorsWriter file_;
  std::map<std::string, std::vector<std::uint32_t>> checksums_;  ///< of each tensor that was written
  std::uint64_t unflushed_ = 0;                                  ///< bytes
};

/// Such a file opened for reading. Damage of the data never throws, for ranks that read together have to go on
/// together: ask damage() when all tensors are loaded.
class ConvertedFile {
 public:
  /// Opens the file; with a `node_reader`, its ranks load the same tensors in the same order. Throws environment when
  /// it was cut, or its header or its checksums are damaged.
  explicit ConvertedFile(const Path& file, NodeReader* node_reader = nullptr);

  const Checkpoint& tensors() const noexcept { return checkpoint_; }
  /// What this rank found wrong with what it has read, "FILE: ..."; "": nothing. Some tensor is undefined then.
  std::string damage() const;

 private:
  void read(const MappedFile& file, const TensorEntry& entry, std::uint64_t at, std::span<std::byte> into);
  void note(const std::string& damage);

  BlockChecksums checksums_;
  std::atomic<bool> is_damaged_ = false;
  mutable std::mutex noting_;
  std::string damage_;
  Checkpoint checkpoint_;
};

}  // namespace wf
