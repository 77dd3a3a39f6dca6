#include "launcher/random_model/random_model.hpp"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "cluster/error.hpp"
#include "launcher/random_model/tokenizer_json.hpp"
#include "pipeline/weights/checkpoint.hpp"

namespace wf {
namespace {

using Json = nlohmann::ordered_json;
using Tensors = std::vector<RandomTensor>;

/// FNV-1a of the tensor's place in the model: each tensor has a stream of its own, whatever the shards.
std::uint64_t stream(std::uint64_t seed, const std::string& name) {
  std::uint64_t hash = 14695981039346656037ull ^ seed;
  for (const unsigned char c : name) hash = (hash ^ c) * 1099511628211ull;
  return hash;
}

std::map<std::string, at::Tensor> draw(const Tensors& tensors, std::uint64_t seed, const std::string& part,
                                       at::ScalarType dtype) {
  std::map<std::string, at::Tensor> drawn;
  for (const RandomTensor& tensor : tensors) {
    const at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(stream(seed, part + "/" + tensor.name));
    drawn[tensor.name] = at::randn(tensor.shape, generator, at::kFloat).mul_(tensor.spread).add_(tensor.mean).to(dtype);
  }
  return drawn;
}

std::vector<Tensors> into_shards(const Tensors& tensors, std::uint64_t shard_bytes) {
  std::vector<Tensors> shards(1);
  std::uint64_t filled = 0;
  for (const RandomTensor& tensor : tensors) {
    const std::uint64_t bytes = 4 * static_cast<std::uint64_t>(count(tensor));
    if (filled > 0 && filled + bytes > shard_bytes) {
      shards.emplace_back();
      filled = 0;
    }
    shards.back().push_back(tensor);
    filled += bytes;
  }
  return shards;
}

std::string shard_name(std::size_t shard, std::size_t shards) {
  char name[80];
  std::snprintf(name, sizeof name, "diffusion_pytorch_model-%05zu-of-%05zu.safetensors", shard + 1, shards);
  return name;
}

Json config(const ModelSize& s) {
  return {{"_class_name", "WanModel"}, {"dim", s.dim},  {"eps", 1e-6},         {"ffn_dim", s.ffn},
          {"freq_dim", 256},           {"in_dim", 16},  {"model_type", "t2v"}, {"num_heads", s.heads},
          {"num_layers", s.layers},    {"out_dim", 16}, {"text_len", 512}};
}

void write_expert(const Path& folder, const RandomModel& model) {
  make_folder(folder);
  const std::vector<Tensors> shards = into_shards(expert_tensors(model.size), model.shard_bytes);
  Json places = Json::object();
  std::int64_t elements = 0;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const std::string file = shard_name(i, shards.size());
    for (const RandomTensor& tensor : shards[i]) {
      places[tensor.name] = file;
      elements += count(tensor);
    }
    write_safetensors(folder / file, draw(shards[i], model.seed, folder.filename(), at::kFloat));
  }
  write_file(folder / "diffusion_pytorch_model.safetensors.index.json",
             Json{{"metadata", {{"total_size", 4 * elements}}}, {"weight_map", places}}.dump(2) + "\n");
  write_file(folder / "config.json", config(model.size).dump(2) + "\n");
}

void write_parts(const Path& folder, RandomModel model) {
  const TokenizerJson tokenizer = small_tokenizer();
  model.size.vocabulary = std::max(model.size.vocabulary, tokenizer.vocabulary_size);
  make_folder(folder / "google/umt5-xxl");
  write_file(folder / "google/umt5-xxl/tokenizer.json", tokenizer.text);
  write_expert(folder / "high_noise_model", model);
  write_expert(folder / "low_noise_model", model);
  write_safetensors(folder / "models_t5_umt5-xxl-enc-bf16.safetensors",
                    draw(text_encoder_tensors(model.size), model.seed, "text", at::kBFloat16));
  write_safetensors(folder / "Wan2.1_VAE.safetensors", draw(vae_tensors(model.size), model.seed, "vae", at::kFloat));
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
    // Another process may have made the same model at the same time: then it is there.
    if (std::filesystem::exists(folder / "Wan2.1_VAE.safetensors")) return;
    throw Error(error.kind() == Error::internal ? Error::storage : error.kind(), error.what());
  }
}

}  // namespace wf
