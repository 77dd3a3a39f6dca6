#include "pipeline/weights/model_folder.hpp"

#include <vector>

#include "pipeline/weights/broken_file.hpp"
#include "pipeline/weights/random_manifest.hpp"
#include "pipeline/weights/shards.hpp"

namespace wf {
namespace {

using Missing = std::vector<std::string>;

void need(const Path& file, Missing& missing) {
  if (!std::filesystem::exists(file)) missing.push_back(file.string());
}

Path expert(const Path& folder, Missing& missing) {
  need(folder / "config.json", missing);
  if (!std::filesystem::is_directory(folder)) {
    missing.push_back((folder / "*.safetensors").string());
    return folder;
  }
  try {
    for (const Path& shard : find_shards(folder).files) need(shard, missing);
  } catch (const Error& error) {
    missing.push_back(error.what());
  }
  return folder;
}

/// The published .pth file, its .safetensors repack, or a description of random weights.
Path weights_file(const Path& pth, Missing& missing) {
  const Path repack = Path(pth).replace_extension(".safetensors");
  for (const Path& file : {pth, repack, Path(pth).replace_extension(random_manifest_ending)})
    if (std::filesystem::exists(file)) return file;
  missing.push_back(pth.string() + " (or " + repack.filename().string() + ")");
  return pth;
}

std::string report(const Path& root, const Missing& missing) {
  std::string text = root.string() + ": is not a whole Wan 2.2 model; missing:";
  for (const std::string& part : missing) text += "\n  " + part;
  return text + "\nThe published weights are the Hugging Face repository Wan-AI/Wan2.2-T2V-A14B (126 GB):\n" +
         "  huggingface-cli download Wan-AI/Wan2.2-T2V-A14B --local-dir " + root.string();
}

}  // namespace

ModelFolder find_model(const Path& root) {
  Missing missing;
  ModelFolder model;
  model.root = root;
  model.high_expert = expert(root / "high_noise_model", missing);
  model.low_expert = expert(root / "low_noise_model", missing);
  model.text_encoder = weights_file(root / "models_t5_umt5-xxl-enc-bf16.pth", missing);
  model.vae = weights_file(root / "Wan2.1_VAE.pth", missing);
  model.tokenizer = root / "google" / "umt5-xxl" / "tokenizer.json";
  need(model.tokenizer, missing);
  if (!missing.empty()) throw Error(Error::environment, report(root, missing));
  return model;
}

}  // namespace wf
