#include <spdlog/fmt/fmt.h>

#include "base/sha256.hpp"
#include "pipeline/weights/lora.hpp"
#include "pipeline/weights/model_files.hpp"
#include "pipeline/weights/shards.hpp"

namespace wf {
namespace {

constexpr std::size_t whole_up_to = 4 << 20, head_bytes = 1 << 20, tail_bytes = 64 << 10, samples = 64,
                      sample_bytes = 4096;

void add_samples(std::span<const std::byte> bytes, Sha256& hash) {
  const auto add = [&](std::size_t offset, std::size_t size) { hash.update(bytes.data() + offset, size); };
  add(0, head_bytes);
  const std::size_t between = bytes.size() - head_bytes - tail_bytes - sample_bytes;
  for (std::size_t i = 0; i < samples; ++i) add(head_bytes + between / samples * i, sample_bytes);
  add(bytes.size() - tail_bytes, tail_bytes);
}

void add_file(const std::string& role, const Path& file, Sha256& hash) {
  const MappedFile map(file);
  const auto bytes = map.bytes();
  hash.update(role + "\n" + std::to_string(bytes.size()) + "\n");
  if (bytes.size() <= whole_up_to || file.extension() == ".json")
    hash.update(bytes.data(), bytes.size());
  else
    add_samples(bytes, hash);
}

void add_network(const std::string& role, const Path& path, Sha256& hash) {
  const Shards shards = find_shards(path);
  if (shards.index) add_file(role + " index", *shards.index, hash);
  for (const Path& file : shards.files) add_file(role, file, hash);
}

void add_expert(const std::string& role, const ExpertFiles& expert, Sha256& hash) {
  if (!expert.config.empty()) add_file(role + " config", expert.config, hash);
  add_network(role, expert.weights, hash);
}

/// A LoRA, with the file beside it that may tell its alpha.
void add_lora(const std::string& role, const Path& file, Sha256& hash) {
  add_network(role, file, hash);
  if (const auto config = adapter_config_of(file)) add_file(role + " config", *config, hash);
}

void add_loras(const std::string& role, const std::vector<LoraFile>& loras, Sha256& hash) {
  for (const LoraFile& lora : loras) add_lora(fmt::format("{} lora {}", role, lora.strength), lora.file, hash);
}

/// When the files of a network were changed last.
void add_dates(const Path& path, Sha256& hash) {
  for (const Path& file : find_shards(path).files)
    hash.update(fmt::format("{}\n", std::filesystem::last_write_time(file).time_since_epoch().count()));
}

}  // namespace

std::string identity(const ModelFiles& model) {
  Sha256 hash;
  add_expert("high", model.high, hash);
  add_expert("low", model.low, hash);
  add_network("text encoder", model.text_encoder, hash);
  add_network("vae", model.vae, hash);
  if (model.tokenizer != model.text_encoder) add_file("tokenizer", model.tokenizer, hash);
  add_loras("high", model.high.loras, hash);
  add_loras("low", model.low.loras, hash);
  return hash.hex();
}

std::string expert_identity(const ExpertFiles& files) {
  Sha256 hash;
  add_expert("expert", files, hash);
  add_loras("expert", files.loras, hash);
  add_dates(files.weights, hash);
  for (const LoraFile& lora : files.loras) add_dates(lora.file, hash);
  return hash.hex();
}

std::string lora_identity(const Path& file) {
  Sha256 hash;
  add_lora("lora", file, hash);
  return hash.hex();
}

}  // namespace wf
