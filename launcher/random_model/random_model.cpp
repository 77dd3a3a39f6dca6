#include "launcher/random_model/random_model.hpp"

#include <ATen/ATen.h>
#include <unistd.h>

#include "base/error.hpp"
#include "launcher/random_model/tokenizer_json.hpp"
#include "pipeline/weights/aten_dtype.hpp"
#include "pipeline/weights/checkpoint.hpp"
#include "pipeline/weights/dit_config.hpp"
#include "pipeline/weights/random_draw.hpp"
#include "pipeline/weights/safetensors_writer.hpp"

namespace wf {
namespace {

using Tensors = std::vector<RandomTensor>;

void write_stored(const Path& file, const Tensors& tensors, std::uint64_t seed, const std::string& part,
                  at::ScalarType dtype) {
  std::map<std::string, at::Tensor> drawn;
  for (const RandomTensor& tensor : tensors)
    draw(drawn[tensor.name] = at::empty(tensor.shape, dtype),
         {stream_of(seed, part, tensor.name), tensor.mean, tensor.spread}, dtype);
  write_safetensors(file, drawn);
}

std::uint64_t f32_bytes(const RandomTensor& tensor) { return bytes_of(DType::f32, tensor.shape); }

DitConfig config_of(const ModelSize& s) {
  return {.dim = s.dim, .ffn_dim = s.ffn, .num_heads = s.heads, .num_layers = s.layers};
}

void write_shards(const Path& folder, const std::string& stem, const RandomModel& model) {
  const std::vector<Tensors> shards = into_shards(expert_tensors(model.size), model.shard_bytes, f32_bytes);
  std::vector<std::pair<std::string, std::string>> places;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const std::string file = shard_name(stem, i, shards.size());
    for (const RandomTensor& tensor : shards[i]) {
      places.emplace_back(tensor.name, file);
      bytes += f32_bytes(tensor);
    }
    write_stored(folder / file, shards[i], model.seed, folder.filename(), at::kFloat);
  }
  write_file(folder / (stem + ".safetensors.index.json"), shard_index(bytes, places));
}

/// Writes one network to STEM.safetensors, or to STEM.random.json when the model is described.
void write_network(const Path& stem, const Tensors& tensors, const RandomModel& model, const std::string& part,
                   DType dtype) {
  if (model.described)
    write_file(stem.string() + std::string(random_manifest_ending), to_json({model.seed, part, dtype, tensors}));
  else
    write_stored(stem.string() + ".safetensors", tensors, model.seed, part, to_aten(dtype));
}

void write_expert(const Path& folder, const RandomModel& model) {
  const std::string stem = "diffusion_pytorch_model";
  make_folder(folder);
  if (model.described)
    write_network(folder / stem, expert_tensors(model.size), model, folder.filename(), DType::f32);
  else
    write_shards(folder, stem, model);
  write_file(folder / "config.json", config_text(config_of(model.size)));
}

void write_parts(const Path& folder, RandomModel model) {
  const TokenizerJson tokenizer = small_tokenizer();
  model.size.vocabulary = std::max(model.size.vocabulary, tokenizer.vocabulary_size);
  make_folder(folder / "google/umt5-xxl");
  write_file(folder / "google/umt5-xxl/tokenizer.json", tokenizer.text);
  write_expert(folder / "high_noise_model", model);
  write_expert(folder / "low_noise_model", model);
  write_network(folder / "models_t5_umt5-xxl-enc-bf16", text_encoder_tensors(model.size), model, "text", DType::bf16);
  write_network(folder / "Wan2.1_VAE", vae_tensors(model.size), model, "vae", DType::f32);
}

}  // namespace

void write_random_model(const Path& folder, const RandomModel& model) {
  check_size(model.size);
  if (std::filesystem::exists(folder))
    throw Error(Error::input, folder.string() + ": is there already; give another folder or remove it");
  const Path part = folder.string() + "-" + std::to_string(::getpid()) + ".part";
  try {
    write_parts(part, model);
    std::filesystem::rename(part, folder);
  } catch (...) {
    const Error error = current_error();
    std::error_code ignored;
    std::filesystem::remove_all(part, ignored);
    // Another process may have written the same model at the same time.
    if (std::filesystem::exists(folder / "google/umt5-xxl/tokenizer.json")) return;
    throw Error(error.kind() == Error::internal ? Error::storage : error.kind(), error.what());
  }
}

Path random_model_folder(const std::string& preset_name, const Path& above) {
  const ModelSize size = preset(preset_name);
  const Path folder = above / ("random-" + preset_name);
  if (!std::filesystem::exists(folder)) {
    make_folder(folder.parent_path());
    write_random_model(folder, {.size = size, .described = true});
  }
  return folder;
}

}  // namespace wf
