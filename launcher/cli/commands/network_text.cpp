#include "launcher/cli/commands/network_text.hpp"

#include <ATen/ATen.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "base/error.hpp"
#include "base/text.hpp"
#include "pipeline/weights/lora_index.hpp"
#include "pipeline/weights/lora_names.hpp"
#include "pipeline/weights/scales.hpp"

namespace wf {
namespace {

using Names = std::map<std::string, std::string>;  ///< stored by official

/// "official names", "official names after model.", "Diffusers names".
std::string whose_names(Network network, const Names& stored) {
  std::string prefix;
  for (const auto& [official, name] : stored) {
    if (!name.ends_with(official)) return network == Network::text_encoder ? "transformers names" : "Diffusers names";
    prefix = name.substr(0, name.size() - official.size());
  }
  return prefix.empty() ? "official names" : "official names after " + prefix;
}

/// How an 8-bit weight is scaled: "scaled by matrix", "scaled by row", "unscaled".
std::string scaling_of(const std::string& official, const Scales& scales, const Checkpoint& checkpoint) {
  const auto scale = scales.of.find(official);
  if (scale == scales.of.end()) return "unscaled";
  const std::vector<std::int64_t>& shape = checkpoint.entry(scale->second).shape;
  return std::ranges::all_of(shape, [](std::int64_t extent) { return extent == 1; }) ? "scaled by matrix"
                                                                                     : "scaled by row";
}

/// What is stored in one dtype.
struct Stored {
  std::uint64_t bytes = 0;
  std::set<std::string> scalings;  ///< of 8-bit floats
};

std::string dtypes_text(const Names& names, const Scales& scales, const Checkpoint& checkpoint) {
  std::map<DType, Stored> by_dtype;
  for (const auto& [official, name] : names) {
    if (std::ranges::find(scales.companions, official) != scales.companions.end()) continue;
    const TensorEntry& entry = checkpoint.entry(name);
    Stored& stored = by_dtype[entry.dtype];
    stored.bytes += bytes_of(entry.dtype, entry.shape);
    if (is_f8(entry.dtype)) stored.scalings.insert(scaling_of(official, scales, checkpoint));
  }
  std::vector<std::pair<DType, Stored>> sorted(by_dtype.begin(), by_dtype.end());
  std::ranges::stable_sort(sorted, std::greater<>(), [](const auto& pair) { return pair.second.bytes; });
  std::vector<std::string> texts;
  for (const auto& [dtype, stored] : sorted)
    texts.push_back(stored.scalings.empty()
                        ? to_string(dtype)
                        : fmt::format("{} ({})", to_string(dtype), fmt::join(stored.scalings, ", ")));
  return join(texts, ", ");
}

/// "rank 4", "ranks 4 to 16".
std::string range_text(const std::string& what, const std::set<double>& values) {
  if (values.size() == 1) return what + " " + shortest(*values.begin());
  return what + "s " + shortest(*values.begin()) + " to " + shortest(*values.rbegin());
}

}  // namespace

std::string form_text(Network network, const Checkpoint& checkpoint) {
  const Names stored = official_names(network, checkpoint.index(), checkpoint.path().string());
  return whose_names(network, stored) + ", " + dtypes_text(stored, find_scales(checkpoint, stored), checkpoint);
}

std::optional<Network> network_in(const Checkpoint& checkpoint) {
  const TensorIndex index = checkpoint.index();
  for (const Network network : {Network::expert, Network::text_encoder, Network::vae}) {
    try {
      official_names(network, index, "");
      return network;
    } catch (const Error&) {  // it is not this one
      continue;
    }
  }
  return {};
}

bool is_lora(const Checkpoint& checkpoint) {
  return std::ranges::any_of(checkpoint.names(),
                             [](const std::string& name) { return parse_lora_name(name).has_value(); });
}

std::string lora_text(const Checkpoint& checkpoint, Expert expert) {
  const LoraIndex index = read_lora_index(checkpoint.index(), expert, checkpoint.path().string());
  std::set<double> ranks, alphas;
  std::size_t products = 0, differences = 0;
  for (const auto& [target, change] : index.changes) {
    if (change.rank > 0) ++products, ranks.insert(static_cast<double>(change.rank));
    if (!change.difference.empty()) ++differences;
    if (!change.alpha.empty()) alphas.insert(checkpoint.load_alone(change.alpha).to(at::kDouble).item<double>());
  }
  std::vector<std::string> texts;
  if (products > 0)
    texts.push_back(fmt::format("{} by {}, {}", products == 1 ? "1 matrix" : fmt::format("{} matrices", products),
                                range_text("rank", ranks), alphas.empty() ? "no alpha" : range_text("alpha", alphas)));
  if (differences > 0) texts.push_back(count_text(differences, "tensor") + " by differences");
  return "LoRA: " + join(texts, "; ");
}

}  // namespace wf
