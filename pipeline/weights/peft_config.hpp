// pipeline/weights/peft_config.hpp: how strong the layers of a LoRA are that has no alpha among its tensors. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace wf {

/// What PEFT's configuration of a LoRA says of its factors; sources: LoraConfig of huggingface/peft.
struct PeftConfig {
  std::optional<double> alpha;             ///< lora_alpha.
  std::map<std::string, double> alpha_of;  ///< alpha_pattern: by the end of the layer's name, or after a '^' all of it.
  bool is_rank_stabilised = false;         ///< use_rslora: alpha / sqrt(rank) instead of alpha / rank.

  /// The number with which the product of the factors of a layer is multiplied; 1 where there is no alpha. Throws
  /// environment when several patterns hold for the layer and differ.
  double factor(const std::string& layer, std::int64_t rank, const std::string& where) const;
};

/// Reads an adapter_config.json, or the text `lora_adapter_metadata` in the header of Diffusers' files, whose keys
/// begin with a `prefix` ("transformer."). Throws environment naming `where` and the key: not JSON, a value of another
/// type or not finite, a pattern that is more than a name, use_dora.
PeftConfig parse_peft_config(std::string_view json, const std::string& prefix, const std::string& where);

}  // namespace wf
