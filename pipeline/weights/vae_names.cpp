#include "pipeline/weights/vae_names.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <string_view>

#include "pipeline/weights/name_rules.hpp"

namespace wf {
namespace {

// The decoder's layers are translated in two steps by way of "decoder.up_blocks.9", a number without blocks, as
// Diffusers has it in the encoder: first the number (UpBlocks), then everything else (rules).

/// Source: the renames of convert_wan_to_diffusers.py in huggingface/diffusers.
NameRules make_rules() {
  std::vector<NameRule> rules = {{"conv1", "quant_conv"}, {"conv2", "post_quant_conv"}};
  std::vector<NameRule> stacks = {{"encoder.downsamples.#", "encoder.down_blocks.#"},
                                  {"decoder.upsamples.#", "decoder.up_blocks.#"}};
  for (const std::string coder : {"encoder.", "decoder."}) {
    rules.push_back({coder + "conv1", coder + "conv_in"});
    rules.push_back({coder + "middle.1", coder + "mid_block.attentions.0"});
    rules.push_back({coder + "head.0", coder + "norm_out"});
    rules.push_back({coder + "head.2", coder + "conv_out"});
    stacks.push_back({coder + "middle.0", coder + "mid_block.resnets.0"});
    stacks.push_back({coder + "middle.2", coder + "mid_block.resnets.1"});
  }
  for (const auto& [official, diffusers] : stacks) {
    rules.push_back({official, diffusers});
    for (const auto& [part, other] : {NameRule{"residual.0", "norm1"},
                                      {"residual.2", "conv1"},
                                      {"residual.3", "norm2"},
                                      {"residual.6", "conv2"},
                                      {"shortcut", "conv_shortcut"}})
      rules.push_back({official + "." + part, diffusers + "." + other});
  }
  return NameRules(std::move(rules));
}

const NameRules& rules() {
  static const NameRules made = make_rules();
  return made;
}

bool skip(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

std::optional<int> take_number(std::string_view& text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  constexpr int most_layers = 10'000;  // so that no sum of them overflows
  if (error != std::errc() || number < 0 || number > most_layers) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

constexpr std::string_view up_blocks = "decoder.up_blocks.";

/// "decoder.up_blocks.1.resnets.2.conv1.bias", or "decoder.up_blocks.1.upsamplers.0.resample.1.bias".
struct Nested {
  int block;
  std::optional<int> resnet;  ///< Empty for the upsampler.
  std::string_view rest;      ///< ".conv1.bias"
};

std::optional<Nested> parse_nested(std::string_view name) {
  if (!skip(name, up_blocks)) return std::nullopt;
  const auto block = take_number(name);
  if (!block) return std::nullopt;
  if (skip(name, ".upsamplers.0")) return Nested{*block, std::nullopt, name};
  if (!skip(name, ".resnets.")) return std::nullopt;
  const auto resnet = take_number(name);
  return resnet ? std::optional(Nested{*block, resnet, name}) : std::nullopt;
}

/// "decoder.up_blocks.6.conv1.bias".
struct Flat {
  int layer;
  std::string_view rest;
};

std::optional<Flat> parse_flat(std::string_view name) {
  if (!skip(name, up_blocks)) return std::nullopt;
  const auto layer = take_number(name);
  return layer ? std::optional(Flat{*layer, name}) : std::nullopt;
}

/// How the decoder's layers are divided into blocks.
class UpBlocks {
 public:
  static UpBlocks of_nested(const std::vector<std::string>& names) {
    std::map<int, std::pair<int, int>> sizes;  // block -> number of resnets, of upsamplers
    for (const std::string& name : names)
      if (const auto nested = parse_nested(name)) {
        auto& [resnets, upsamplers] = sizes[nested->block];
        if (nested->resnet)
          resnets = std::max(resnets, *nested->resnet + 1);
        else
          upsamplers = 1;
      }
    UpBlocks blocks;
    for (const auto& [block, size] : sizes)
      if (block == static_cast<int>(blocks.resnets_.size())) blocks.append(size.first, size.second);
    return blocks;
  }

  static UpBlocks of_flat(const std::vector<std::string>& names) {
    std::map<int, bool> resamples;  // layer -> whether it ends a block
    for (const std::string& name : names)
      if (const auto flat = parse_flat(name)) resamples[flat->layer] |= flat->rest.starts_with(".resample.");
    UpBlocks blocks;
    int begin = 0;
    for (const auto& [layer, last] : resamples) {
      if (!last) continue;
      blocks.append(layer - begin, 1);
      begin = layer + 1;
    }
    blocks.append(0, 0);
    return blocks;
  }

  /// Empty for a block behind a missing one, whose place is not known. A name that is not nested is kept.
  std::optional<std::string> flattened(const std::string& name) const {
    const auto nested = parse_nested(name);
    if (!nested) return name;
    if (nested->block >= static_cast<int>(begins_.size())) return std::nullopt;
    const auto block = static_cast<std::size_t>(nested->block);
    const int layer = begins_[block] + nested->resnet.value_or(resnets_[block]);
    return std::string(up_blocks) + std::to_string(layer) + std::string(nested->rest);
  }

  std::string nested(const std::string& name) const {
    const auto flat = parse_flat(name);
    if (!flat) return name;
    const auto next = std::upper_bound(begins_.begin(), begins_.end(), flat->layer);
    const auto block = static_cast<std::size_t>(next - begins_.begin()) - 1;
    const int place = flat->layer - begins_[block];
    const bool last = flat->rest.starts_with(".resample.") || flat->rest.starts_with(".time_conv.");
    return std::string(up_blocks) + std::to_string(block) +
           (last ? ".upsamplers.0" : ".resnets." + std::to_string(place)) + std::string(flat->rest);
  }

 private:
  void append(int resnets, int upsamplers) {
    begins_.push_back(end_);
    resnets_.push_back(resnets);
    end_ += resnets + upsamplers;
  }

  std::vector<int> begins_, resnets_;  ///< Of each block: its first layer, and the number of its resnets.
  int end_ = 0;
};

}  // namespace

std::map<std::string, std::string> official_vae_names(const std::vector<std::string>& names) {
  const UpBlocks blocks = UpBlocks::of_nested(names);
  std::map<std::string, std::string> official;
  for (const std::string& name : names) {
    const auto flat = blocks.flattened(name);
    official.emplace(name, flat ? rules().to_official(*flat) : name);
  }
  return official;
}

std::map<std::string, std::string> diffusers_vae_names(const std::vector<std::string>& official) {
  std::vector<std::string> flat;
  for (const std::string& name : official) flat.push_back(rules().to_other(name));
  const UpBlocks blocks = UpBlocks::of_flat(flat);
  std::map<std::string, std::string> diffusers;
  for (std::size_t i = 0; i < flat.size(); ++i) diffusers.emplace(official[i], blocks.nested(flat[i]));
  return diffusers;
}

}  // namespace wf
