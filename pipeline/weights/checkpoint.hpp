// pipeline/weights/checkpoint.hpp: a checkpoint of one network: one file, or shards with an index.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/weights/tensor_file.hpp"

namespace wf {

/// The tensors of one network by name, mapped, not read. Loading from several threads at once is fine.
class Checkpoint {
 public:
  /// `path`: a .safetensors or .pth file, or a folder that holds one .safetensors file or shards with *.index.json.
  /// Throws environment naming the file: missing shard, a tensor that the index names and its shard lacks, a name
  /// twice, and all that tensor_file.hpp and shards.hpp list.
  explicit Checkpoint(const Path& path);

  bool has(const std::string& name) const;
  std::vector<std::string> names() const;                   ///< in byte order
  const TensorEntry& entry(const std::string& name) const;  ///< throws environment naming checkpoint and tensor
  const Path& path() const noexcept { return path_; }
  const Path& file_of(const std::string& name) const;  ///< throws like entry

  /// Copies one tensor to `device` as `dtype` (rounding to nearest even), contiguous. It is copied in pieces whose
  /// pages of the map are dropped at once, so that memory holds the copy and a few MB, however big the file. When
  /// `shape` is given the tensor must have it. Throws environment: "FILE: tensor NAME: is missing" / "has shape ... not
  /// ...".
  at::Tensor load(const std::string& name, at::ScalarType dtype, at::Device device, at::IntArrayRef shape) const;
  at::Tensor load(const std::string& name, at::ScalarType dtype, at::Device device) const;

 private:
  struct Place {
    std::size_t file;
    TensorEntry entry;
  };
  void add(const Path& file);
  const Place& place(const std::string& name) const;

  Path path_;
  std::vector<std::unique_ptr<MappedFile>> files_;
  std::map<std::string, Place> tensors_;
};

/// Writes tensors as one .safetensors file (also the published layout's shards), names in byte order, one tensor at a
/// time (data ordered by element size, so that all are aligned). For make-model and tests. Throws storage, leaving
/// neither `file` nor a .part behind.
void write_safetensors(const Path& file, const std::map<std::string, at::Tensor>& tensors);

}  // namespace wf
