#include "pipeline/weights/model_folder.hpp"

#include <vector>

#include "base/lfs_pointer.hpp"
#include "pipeline/weights/broken_file.hpp"
#include "pipeline/weights/random_manifest.hpp"
#include "pipeline/weights/shards.hpp"

namespace wf {
namespace {

/// The files that a model consists of.
struct Files {
  std::vector<Path> found;
  std::vector<std::string> missing;
};

void need(const Path& file, Files& files) {
  if (std::filesystem::exists(file))
    files.found.push_back(file);
  else
    files.missing.push_back(file.string());
}

Path expert(const Path& folder, Files& files) {
  need(folder / "config.json", files);
  if (!std::filesystem::is_directory(folder)) {
    files.missing.push_back((folder / "*.safetensors").string());
    return folder;
  }
  try {
    for (const Path& shard : find_shards(folder).files) need(shard, files);
  } catch (const Error& error) {
    if (error.kind() != Error::environment) throw;
    files.missing.push_back(error.what());
  }
  return folder;
}

/// The published .pth file, its .safetensors repack, or a description of random weights.
Path weights_file(const Path& pth, Files& files) {
  const Path repack = Path(pth).replace_extension(".safetensors");
  for (const Path& file : {pth, repack, Path(pth).replace_extension(random_manifest_ending)}) {
    if (!std::filesystem::exists(file)) continue;
    files.found.push_back(file);
    return file;
  }
  files.missing.push_back(pth.string() + " (or " + repack.filename().string() + ")");
  return pth;
}

/// Throws Error(input) that names every file which is a pointer of Git LFS.
void refuse_lfs_pointers(const Path& root, const std::vector<Path>& files) {
  std::string pointers;
  for (const Path& file : files) {
    const MappedFile map(file);
    if (is_lfs_pointer({reinterpret_cast<const char*>(map.bytes().data()), map.bytes().size()}))
      pointers += "\n  " + file.string();
  }
  if (pointers.empty()) return;
  throw Error(Error::input, root.string() + ": these files are Git LFS pointers, not the files themselves:" + pointers +
                                "\nThis fetches them:\n  git -C " + root.string() + " lfs pull");
}

std::string report(const Path& root, const std::vector<std::string>& missing) {
  std::string text = root.string() + ": is not a whole Wan 2.2 model; missing:";
  for (const std::string& part : missing) text += "\n  " + part;
  return text + "\nThe published weights are the Hugging Face repository Wan-AI/Wan2.2-T2V-A14B (126 GB):\n" +
         "  huggingface-cli download Wan-AI/Wan2.2-T2V-A14B --local-dir " + root.string();
}

}  // namespace

ModelFolder find_model(const Path& root) {
  Files files;
  ModelFolder model;
  model.root = root;
  model.high_expert = expert(root / "high_noise_model", files);
  model.low_expert = expert(root / "low_noise_model", files);
  model.text_encoder = weights_file(root / "models_t5_umt5-xxl-enc-bf16.pth", files);
  model.vae = weights_file(root / "Wan2.1_VAE.pth", files);
  model.tokenizer = root / "google" / "umt5-xxl" / "tokenizer.json";
  need(model.tokenizer, files);
  if (!files.missing.empty()) throw Error(Error::environment, report(root, files.missing));
  refuse_lfs_pointers(root, files.found);
  return model;
}

}  // namespace wf
