#include "base/sha256.hpp"
#include "pipeline/weights/model_folder.hpp"
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

}  // namespace

std::string identity(const ModelFolder& model) {
  Sha256 hash;
  add_file("high config", model.high_expert / "config.json", hash);
  add_network("high", model.high_expert, hash);
  add_file("low config", model.low_expert / "config.json", hash);
  add_network("low", model.low_expert, hash);
  add_network("text encoder", model.text_encoder, hash);
  add_network("vae", model.vae, hash);
  add_file("tokenizer", model.tokenizer, hash);
  return hash.hex();
}

}  // namespace wf
