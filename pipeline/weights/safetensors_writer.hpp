// pipeline/weights/safetensors_writer.hpp: writes .safetensors files tensor by tensor, so that memory holds one of
// them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/files.hpp"
#include "pipeline/weights/tensor_file.hpp"

namespace wf {

/// A tensor that is going to be written.
struct PlannedTensor {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
};

std::uint64_t bytes_of(const PlannedTensor& tensor);

/// The texts in a file's header (__metadata__) by key.
using Metadata = std::map<std::string, std::string>;

/// One file. Its tensors are known from the start and are written in any order. Names stand in byte order in the
/// header; the data is ordered by element size, so that every tensor is aligned.
class SafetensorsWriter {
 public:
  /// Creates FILE.part with the header. It is removed by the destructor, unless finish() has given it its name. Throws
  /// storage.
  SafetensorsWriter(const Path& file, const std::vector<PlannedTensor>& tensors, const Metadata& metadata = {});

  /// The first bytes of the file, up to the data.
  const std::string& header() const noexcept { return header_; }
  /// Writes a tensor, of any device, with the planned dtype and shape. Throws storage.
  void write(const std::string& name, const at::Tensor& tensor);
  /// Gives FILE.part its full size at once, for who counts what a folder holds. Throws storage.
  void reserve() { file_.write(end_ - 1, std::string_view("\0", 1)); }
  /// Returns when what was written is on the disk, so that finish() has less to wait for. Throws storage.
  void flush() { file_.flush(); }
  /// Flushes the file and gives it its name, once every tensor has been written. Throws storage.
  void finish();

 private:
  struct Place {
    PlannedTensor tensor;
    std::uint64_t offset;  ///< From the start of the file.
  };

  PartFile file_;
  std::string header_;
  std::uint64_t end_ = 0;  ///< size of the file
  std::map<std::string, Place> unwritten_;
};

/// Divides tensors, in their order, into shards of at most `shard_bytes`, but of at least one tensor. bytes(tensor):
/// its size.
template <class Tensor, class Bytes>
std::vector<std::vector<Tensor>> into_shards(const std::vector<Tensor>& tensors, std::uint64_t shard_bytes,
                                             Bytes&& bytes) {
  std::vector<std::vector<Tensor>> shards(1);
  std::uint64_t filled = 0;
  for (const Tensor& tensor : tensors) {
    if (filled > 0 && filled + bytes(tensor) > shard_bytes) {
      shards.emplace_back();
      filled = 0;
    }
    shards.back().push_back(tensor);
    filled += bytes(tensor);
  }
  return shards;
}

/// "STEM-00001-of-00003.safetensors"; `shard` counts from 0.
std::string shard_name(const std::string& stem, std::size_t shard, std::size_t shards);

/// The text of an index: the shard of each tensor, and the bytes of all of them.
std::string shard_index(std::uint64_t bytes, const std::vector<std::pair<std::string, std::string>>& places);

/// One network as STEM.safetensors, or where that would be larger than a shard as STEM-00001-of-0000N.safetensors, ...
/// with STEM.safetensors.index.json, as the libraries of Hugging Face write and read them.
class ShardWriter {
 public:
  /// Plans the shards and creates their .part files in the folder. A tensor that is larger than `shard_bytes` has a
  /// shard of its own. Throws storage.
  ShardWriter(const Path& folder, const std::string& stem, const std::vector<PlannedTensor>& tensors,
              std::uint64_t shard_bytes);

  /// As those of SafetensorsWriter.
  void write(const std::string& name, const at::Tensor& tensor);
  void finish();

 private:
  Path index_;
  std::uint64_t bytes_ = 0;
  std::vector<std::string> names_;                          ///< Of the shards' files.
  std::vector<std::unique_ptr<SafetensorsWriter>> shards_;  ///< In the order of names_.
  std::map<std::string, std::size_t> shard_of_;             ///< By tensor.
};

}  // namespace wf
