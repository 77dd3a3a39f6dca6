// pipeline/weights/checkpoint.hpp: a checkpoint of one network: one file, or shards with an index.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "pipeline/weights/byte_source.hpp"
#include "pipeline/weights/tensor_file.hpp"

namespace wf {

class Uploader;

/// The tensors of one network by name; headers are mapped, data is read when asked for. Loading from several threads at
/// once is fine.
class Checkpoint {
 public:
  /// `path`: a .safetensors, .pth or .random.json file, or a folder that holds one of the first or the last, or shards
  /// with *.index.json. Throws environment naming the file: missing shard, a tensor that the index names and its shard
  /// lacks, a name twice, and all that tensor_file.hpp, random_manifest.hpp and shards.hpp list.
  ///
  /// together: other ranks of the machine load the same tensors in the same order, each on one thread, and each byte is
  /// read by one of them (parallel/node_reader.hpp, with its errors). Headers are mapped by all; what is drawn, all
  /// draw. Outlives this object.
  explicit Checkpoint(const Path& path, NodeReader* together = nullptr);
  ~Checkpoint();

  bool has(const std::string& name) const;
  std::vector<std::string> names() const;                   ///< in byte order
  const TensorEntry& entry(const std::string& name) const;  ///< throws environment naming checkpoint and tensor
  const Path& path() const noexcept { return path_; }
  const Path& file_of(const std::string& name) const;  ///< throws like entry
  std::uint64_t bytes() const;                         ///< of all tensors in the files' dtypes, drawn ones too
  std::uint64_t bytes_read() const noexcept { return source_.bytes_read(); }  ///< so far, by this process

  /// One tensor on `device` as `dtype` (rounding to nearest even), contiguous. Data is read by all cores in pieces:
  /// beside the tensor, memory holds a MB a thread; for a GPU, four pinned buffers of 32 MiB until this object ends,
  /// and the tensor is complete in the order of the current stream. Described weights are drawn on the device. On
  /// `meta` nothing is read or drawn. When `shape` is given the tensor must have it. Throws environment: "FILE: tensor
  /// NAME: is missing" / "has shape ... not ..." / "FILE: cannot be read".
  at::Tensor load(const std::string& name, at::ScalarType dtype, at::Device device, at::IntArrayRef shape) const;
  at::Tensor load(const std::string& name, at::ScalarType dtype, at::Device device) const;

  /// The same into memory of the caller, for example pinned memory of the host or some rows of a joined matrix.
  /// `target` is contiguous and has the tensor's shape.
  void load_into(const std::string& name, const at::Tensor& target) const;

 private:
  struct Place {
    std::size_t file;
    TensorEntry entry;
  };
  void add(const Path& file);
  const Place& place(const std::string& name) const;
  void check_shape(const std::string& name, at::IntArrayRef shape) const;
  void upload(const MappedFile& file, const TensorEntry& entry, const at::Tensor& target) const;

  Path path_;
  std::vector<std::unique_ptr<MappedFile>> files_;
  std::map<std::string, Place> tensors_;
  mutable ByteSource source_;
  mutable std::mutex uploading_;
  mutable std::unique_ptr<Uploader> uploader_;  ///< made for the first tensor that goes to a GPU
};

/// Writes tensors as one .safetensors file (also the published layout's shards), names in byte order, one tensor at a
/// time (data ordered by element size, so that all are aligned). For make-model and tests. Throws storage, leaving
/// neither `file` nor a .part behind.
void write_safetensors(const Path& file, const std::map<std::string, at::Tensor>& tensors);

}  // namespace wf
