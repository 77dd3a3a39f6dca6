// pipeline/weights/checkpoint.hpp: the tensors of one network, loaded by name from one file or from shards with an
// index.
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

/// A checkpoint opened for reading. The constructor reads headers only; a tensor's data is read when it is loaded. All
/// const members may be called from several threads, unless a NodeReader is used. After an error the object is still
/// usable; a target that was being filled has undefined content.
class Checkpoint {
 public:
  /// Opens `path`: a .safetensors, .pth or .random.json file, or a folder with one .safetensors or .random.json file or
  /// with shards and their *.index.json. Throws environment, naming the file, for a missing shard, a tensor that the
  /// index names but its shard lacks, a tensor name that occurs twice, and everything that tensor_file.hpp,
  /// random_manifest.hpp and shards.hpp refuse.
  ///
  /// With a `node_reader`, which must outlive this object, all its ranks must load the same tensors in the same order,
  /// each from one thread; each byte is then read by one rank of the node (parallel/node_reader.hpp, with its errors).
  /// Headers are still mapped by every rank, and weights that a manifest describes are drawn by every rank.
  ///
  /// read: as for ByteSource; where it is given, tensors are loaded in the dtype in which they are stored.
  explicit Checkpoint(const Path& path, NodeReader* node_reader = nullptr, ByteSource::Read read = {});
  ~Checkpoint();

  bool has(const std::string& name) const;
  /// All tensors by name.
  TensorIndex index() const;
  /// The texts in the headers of safetensors files (__metadata__); of shards, the first one's value of a key.
  const std::map<std::string, std::string>& metadata() const noexcept { return metadata_; }
  /// All tensor names, in byte order.
  std::vector<std::string> names() const;
  /// Dtype, shape and location of a tensor. Throws environment naming checkpoint and tensor when it is missing.
  const TensorEntry& entry(const std::string& name) const;
  /// The path that the checkpoint was opened with.
  const Path& path() const noexcept { return path_; }
  /// The file that holds or describes a tensor. Throws like entry().
  const Path& file_of(const std::string& name) const;
  /// The size in bytes of all tensors in the files' dtypes, including described ones.
  std::uint64_t bytes() const;
  /// The number of bytes that this process has read from the files so far.
  std::uint64_t bytes_read() const noexcept { return source_.bytes_read(); }

  /// A tensor as a new contiguous one on `device`, converted to `dtype` by rounding to nearest even. With `shape`, the
  /// tensor must have exactly that shape.
  ///
  /// All cores read the data in chunks. Besides the tensor this takes about 1 MB of host memory per thread; the first
  /// load to a GPU also allocates four pinned buffers of 32 MiB, kept as long as this object. A tensor that is not
  /// row-major in its file is first read into host memory whole. Tensors on a GPU are complete for work queued later on
  /// the current stream. Weights that a manifest describes are drawn on the device (random_draw.hpp). On the device
  /// `meta` nothing is read or drawn.
  ///
  /// Throws environment: "FILE: tensor NAME: is missing", "FILE: tensor NAME: has shape [...], not [...]", "FILE:
  /// cannot be read: ...".
  at::Tensor load(const std::string& name, at::ScalarType dtype, at::Device device, at::IntArrayRef shape) const;
  at::Tensor load(const std::string& name, at::ScalarType dtype, at::Device device) const;

  /// A small tensor as stored, on the CPU, read by this rank alone whatever the node reader. Throws like load().
  at::Tensor load_alone(const std::string& name) const;
  /// Throws environment, "FILE: tensor NAME: has shape [...], not [...]", unless the tensor has this shape.
  void check_shape(const std::string& name, at::IntArrayRef shape) const;

  /// Fills memory of the caller as load() would: `target` is contiguous and has the tensor's shape, and any dtype and
  /// device; for example pinned host memory, or some rows of a joined matrix. Throws like load().
  void load_into(const std::string& name, const at::Tensor& target) const;

 private:
  struct Location {
    std::size_t file;  ///< Index into files_.
    TensorEntry entry;
  };
  void add(const Path& file);
  const Location& locate(const std::string& name) const;
  void upload(const MappedFile& file, const TensorEntry& entry, const at::Tensor& target) const;

  Path path_;
  std::vector<std::unique_ptr<MappedFile>> files_;
  std::map<std::string, Location> tensors_;
  std::map<std::string, std::string> metadata_;
  mutable ByteSource source_;
  mutable std::mutex uploading_;
  mutable std::unique_ptr<Uploader> uploader_;  ///< Created for the first tensor that goes to a GPU.
};

/// Writes tensors, of any device, as one .safetensors file, a shard of the published layout or a whole network. Names
/// stand in byte order in the header; the data is ordered by element size, so that every tensor is aligned. One tensor
/// at a time is copied to the host. Throws storage, leaving neither `file` nor a .part file behind. For make-model and
/// tests.
void write_safetensors(const Path& file, const std::map<std::string, at::Tensor>& tensors);

}  // namespace wf
