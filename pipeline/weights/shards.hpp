// pipeline/weights/shards.hpp: the files of one network: a single file, or a folder with one .safetensors, shards, or
// (when there is none) one .random.json.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cluster/files.hpp"

namespace wf {

struct Shards {
  std::optional<Path> index;            ///< FOLDER/*.safetensors.index.json
  std::map<std::string, Path> tensors;  ///< what the index says: name -> shard; empty without one
  std::vector<Path> files;              ///< in byte order, each once; not all need to exist
};

/// Throws broken(path): no such path, a folder without weights, several files without an index, several indices, an
/// index that is not {"weight_map": {NAME: FILE}} or names a file outside the folder.
Shards find_shards(const Path& path);

}  // namespace wf
