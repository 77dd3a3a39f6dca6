// launcher/convert/convert.hpp: writes a model, or one network, anew: in another layout, in another dtype, with its
// LoRAs merged.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <optional>
#include <string>

#include "launcher/convert/layout_files.hpp"
#include "pipeline/weights/model_files.hpp"

namespace wf {

/// How a model is written.
struct Conversion {
  Layout layout = Layout::official;
  /// The dtype of the experts; of a text encoder or VAE that is converted alone, its own (NetworkForm::dtype). In a
  /// whole model those two stay as they are stored.
  std::optional<DType> dtype = {};
  std::uint64_t shard_bytes = 5'000'000'000;
  at::Device device = at::kCPU;  ///< Where LoRAs are merged, random weights drawn and numbers rounded.
  /// Takes a line for people about each network that has been written.
  std::function<void(const std::string&)> tell = [](const std::string&) {};
};

// Both functions return true when `out` is complete; false if a signal asked to stop (base/signals.hpp). `out` must not
// exist, or be an empty folder; it appears only once it is complete, and nothing is left after a stop or an error.
// Weights are checked against the network's structure before the first byte is written. Throw input when something is
// in the place of `out`, environment for what is wrong with the weights, storage when there is no room for `out` or it
// cannot be written.

/// Writes a whole model.
bool convert_model(const ModelFiles& model, const Path& out, const Conversion& how);

/// Writes one expert with its LoRAs, merged as into the high-noise or the low-noise expert: weights and config.json.
bool convert_expert(const ExpertFiles& files, Expert expert, const Path& out, const Conversion& how);

/// Writes a text encoder or a VAE. Throws input for the dtype F8_E4M3, which is for experts.
bool convert_network(Network network, const Path& weights, const Path& out, const Conversion& how);

}  // namespace wf
