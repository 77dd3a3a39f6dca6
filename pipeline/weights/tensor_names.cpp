#include "pipeline/weights/tensor_names.hpp"

#include <array>
#include <optional>
#include <span>
#include <string_view>

#include "pipeline/weights/broken_file.hpp"
#include "pipeline/weights/expert_names.hpp"
#include "pipeline/weights/foreign_networks.hpp"
#include "pipeline/weights/name_rules.hpp"
#include "pipeline/weights/vae_names.hpp"

namespace wf {
namespace {

// ---- Prefixes: those of the programs that wrote a file, and in a file of several networks one for each.

constexpr std::array<std::string_view, 4> expert_prefixes = {"model.diffusion_model.", "diffusion_model.", "model.",
                                                             "transformer."};
constexpr std::array<std::string_view, 4> text_prefixes = {
    "text_encoders.umt5xxl.transformer.", "text_encoders.umt5xxl.", "text_encoder.", "cond_stage_model."};
constexpr std::array<std::string_view, 2> vae_prefixes = {"first_stage_model.", "vae."};

/// The networks of a file that holds several.
constexpr std::array<std::string_view, 7> network_prefixes = {
    "model.diffusion_model.", "text_encoders.", "text_encoder.", "cond_stage_model.",
    "first_stage_model.",     "vae.",           "conditioner."};

std::span<const std::string_view> prefixes_of(Network network) {
  switch (network) {
    case Network::expert:
      return expert_prefixes;
    case Network::text_encoder:
      return text_prefixes;
    case Network::vae:
      return vae_prefixes;
  }
  return {};
}

/// The name without a prefix of this network; empty where the prefix is that of another network.
std::optional<std::string> plain_name(Network network, const std::string& name) {
  for (const std::string_view prefix : prefixes_of(network))
    if (name.starts_with(prefix)) return name.substr(prefix.size());
  for (const std::string_view prefix : network_prefixes)
    if (name.starts_with(prefix)) return std::nullopt;
  return name;
}

[[noreturn]] void twice(const std::string& where, const std::string& one, const std::string& other,
                        const std::string& official) {
  broken(where, "tensors " + printable(one) + " and " + printable(other) + " are both " + printable(official));
}

PlainTensors plain_tensors(Network network, const TensorIndex& tensors, const std::string& where) {
  PlainTensors plain;
  for (const auto& tensor : tensors) {
    const auto name = plain_name(network, tensor.first);
    if (!name) continue;
    const auto [there, is_new] = plain.emplace(*name, &tensor);
    if (!is_new) twice(where, there->second->first, tensor.first, *name);
  }
  return plain;
}

// ---- The text encoder.

std::vector<NameRule> transformers_rules() {
  std::vector<NameRule> rules = {
      {"token_embedding", "shared"},
      {"norm", "encoder.final_layer_norm"},
      {"blocks.#.norm1", "encoder.block.#.layer.0.layer_norm"},
      {"blocks.#.norm2", "encoder.block.#.layer.1.layer_norm"},
      {"blocks.#.pos_embedding.embedding", "encoder.block.#.layer.0.SelfAttention.relative_attention_bias"},
      {"blocks.#.ffn.gate.0", "encoder.block.#.layer.1.DenseReluDense.wi_0"},
      {"blocks.#.ffn.fc1", "encoder.block.#.layer.1.DenseReluDense.wi_1"},
      {"blocks.#.ffn.fc2", "encoder.block.#.layer.1.DenseReluDense.wo"}};
  for (const std::string part : {"q", "k", "v", "o"})
    rules.push_back({"blocks.#.attn." + part, "encoder.block.#.layer.0.SelfAttention." + part});
  return rules;
}

/// Names that are read, but not written: an encoder that was saved as a part of its whole T5, and the token embedding
/// under the name of the encoder's copy.
std::vector<NameRule> read_text_rules() {
  std::vector<NameRule> rules = transformers_rules();
  for (const std::string part : {"blocks", "norm", "token_embedding"}) rules.push_back({part, "encoder." + part});
  rules.push_back({"token_embedding", "encoder.embed_tokens"});
  return rules;
}

std::string official_text_name(std::string_view name) {
  static const NameRules rules(read_text_rules());
  return rules.to_official(name);
}

std::string transformers_text_name(std::string_view official) {
  static const NameRules rules(transformers_rules());
  return rules.to_other(official);
}

/// Tensors that are no weights of their own: the tokenizer that ComfyUI packs, and transformers' second copy of the
/// token embedding.
void leave_out_of_text_encoder(PlainTensors& tensors) {
  tensors.erase(tokenizer_tensor);
  if (tensors.contains("shared.weight"))
    std::erase_if(tensors, [](const auto& tensor) { return tensor.first.starts_with("encoder.embed_tokens."); });
}

// ---- All networks.

template <class Translate>
std::map<std::string, std::string> translated(const std::vector<std::string>& names, Translate translate) {
  std::map<std::string, std::string> result;
  for (const std::string& name : names) result.emplace(name, translate(name));
  return result;
}

std::map<std::string, std::string> official_of_plain(Network network, const std::vector<std::string>& names) {
  switch (network) {
    case Network::expert:
      return translated(names, official_expert_name);
    case Network::text_encoder:
      return translated(names, official_text_name);
    case Network::vae:
      return official_vae_names(names);
  }
  return {};
}

}  // namespace

std::map<std::string, std::string> official_names(Network network, const TensorIndex& tensors,
                                                  const std::string& where) {
  PlainTensors plain = plain_tensors(network, tensors, where);
  refuse_foreign_network(network, plain, where);
  if (network == Network::text_encoder) leave_out_of_text_encoder(plain);
  std::vector<std::string> names;
  for (const auto& [name, tensor] : plain) names.push_back(name);
  std::map<std::string, std::string> stored;
  for (const auto& [name, official] : official_of_plain(network, names)) {
    const auto [there, is_new] = stored.emplace(official, plain.at(name)->first);
    if (!is_new) twice(where, there->second, plain.at(name)->first, official);
  }
  return stored;
}

std::map<std::string, std::string> diffusers_names(Network network, const std::vector<std::string>& official) {
  switch (network) {
    case Network::expert:
      return translated(official, diffusers_expert_name);
    case Network::text_encoder:
      return translated(official, transformers_text_name);
    case Network::vae:
      return diffusers_vae_names(official);
  }
  return {};
}

}  // namespace wf
