#include "pipeline/weights/shards.hpp"

#include <algorithm>
#include <set>

#include "pipeline/weights/broken_file.hpp"
#include "pipeline/weights/foreign_files.hpp"
#include "pipeline/weights/random_manifest.hpp"
#include "pipeline/weights/strict_json.hpp"

namespace wf {
namespace {

std::vector<Path> files_ending(const Path& folder, std::string_view end) {
  std::vector<Path> found;
  for (const auto& item : std::filesystem::directory_iterator(folder))
    if (item.path().filename().string().ends_with(end)) found.push_back(item.path());
  std::sort(found.begin(), found.end());
  return found;
}

Shards read_index(const Path& file) {
  const nlohmann::json index = read_strict_json(file);
  const std::string where = file.string();
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object())
    broken(where, "has no weight_map from tensor to file");
  Shards shards{file, {}, {}};
  std::set<Path> files;
  for (const auto& [tensor, shard] : index["weight_map"].items()) {
    const Path name = shard.is_string() ? shard.get<std::string>() : "";
    if (name.empty() || name != name.filename() || name == ".." || name == ".")
      broken(where, "tensor " + printable(tensor) + " is not mapped to a plain file name in the folder of the index");
    shards.tensors.emplace(tensor, file.parent_path() / name);
    files.insert(file.parent_path() / name);
  }
  for (const Path& shard : files) refuse_unfinished_download(shard);
  shards.files.assign(files.begin(), files.end());
  return shards;
}

}  // namespace

Shards find_shards(const Path& path) {
  refuse_unfinished_download(path);
  if (!std::filesystem::exists(path)) broken(path.string(), "no such file or folder");
  if (!std::filesystem::is_directory(path)) return {std::nullopt, {}, {path}};
  const auto indices = files_ending(path, ".safetensors.index.json");
  if (indices.size() > 1) broken(path.string(), "holds several *.safetensors.index.json; keep one");
  if (!indices.empty()) return read_index(indices.front());
  auto files = files_ending(path, ".safetensors");
  if (files.empty()) files = files_ending(path, random_manifest_ending);
  if (files.empty()) broken(path.string(), "holds no .safetensors file");
  if (files.size() > 1)
    broken(path.string(),
           "holds several " + files[0].extension().string() + " files but no *.safetensors.index.json that joins them");
  return {std::nullopt, {}, std::move(files)};
}

}  // namespace wf
