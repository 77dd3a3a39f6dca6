// pipeline/weights/shards.hpp: finds the weight files of one network: a single file, or a folder with one .safetensors
// file, with shards and their index, or with one .random.json.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/files.hpp"

namespace wf {

/// The weight files of one network.
struct Shards {
  std::optional<Path> index;            ///< FOLDER/*.safetensors.index.json, if the folder has one.
  std::map<std::string, Path> tensors;  ///< Tensor name -> shard, from the index; empty without an index.
  std::vector<Path> files;              ///< All weight files, sorted, each once; a shard may not exist.
};

/// The weight files at `path`, a file or a folder. Throws broken(path) for a path that does not exist, a folder without
/// weights, several files without an index, several indices, and an index that is not {"weight_map": {NAME: FILE}} or
/// names a file outside the folder.
Shards find_shards(const Path& path);

}  // namespace wf
