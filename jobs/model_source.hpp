// jobs/model_source.hpp: the model of a run as the user named it: parts, each wherever it lies, and LoRAs that are
// merged into its experts. Plain values; nothing here looks at a disk.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.hpp"

namespace wf {

/// One entry of `loras`: the file that is merged into each expert, and how strongly. Where both experts take one file
/// (`file`, --lora), its path stands in both members.
struct LoraSource {
  Path high = {}, low = {};  ///< Empty: this expert stays as it is.
  double high_strength = 1, low_strength = 1;
  bool operator==(const LoraSource&) const = default;
};

/// A model: a folder, parts that replace the folder's own, or parts alone.
struct ModelSource {
  Path from = {};  ///< A folder in the official or the Diffusers layout, or "random:PRESET"; may be empty.
  Path high = {};  ///< The high-noise expert: a file, or a folder of shards. Empty: that of `from`; so for all parts.
  Path low = {};   ///< The low-noise expert.
  Path text = {};  ///< The text encoder.
  Path vae = {};
  Path tokenizer = {};                 ///< A tokenizer.json, a spiece.model, or a folder with one of them.
  std::vector<LoraSource> loras = {};  ///< Merged in this order.
  bool operator==(const ModelSource&) const = default;
};

/// A place for a path in a ModelSource, with its name in lists and messages.
struct ModelPlace {
  std::string_view key;
  Path ModelSource::*path;
};
inline constexpr std::array<ModelPlace, 6> model_places{{{"from", &ModelSource::from},
                                                         {"high", &ModelSource::high},
                                                         {"low", &ModelSource::low},
                                                         {"text", &ModelSource::text},
                                                         {"vae", &ModelSource::vae},
                                                         {"tokenizer", &ModelSource::tokenizer}}};

/// Whether the source names a folder or a part, whatever its LoRAs.
bool names_model(const ModelSource& source);

/// The keys of the parts that a model without a folder lacks: of high, low, text and vae. None for a source with a
/// folder. The tokenizer is not among them, for the text encoder's file may hold one.
std::vector<std::string_view> missing_parts(const ModelSource& source);

/// What comes before the preset in "random:PRESET", the name of a model with random weights, which is no path.
inline constexpr std::string_view random_prefix = "random:";
bool is_random(const Path& from);

/// The same source with every path from the root, so that it means the same in any folder.
ModelSource absolute(ModelSource source);

/// The source on one line, for messages: a folder alone as its path, else "/models/a, vae /b.safetensors, lora
/// /night.safetensors=0.8"; LoRAs as their flags are written.
std::string describe(const ModelSource& source);

/// Every LoRA as its flag is written: "lora FILE", "lora-high FILE=0.7".
std::vector<std::string> describe(const std::vector<LoraSource>& loras);

}  // namespace wf
