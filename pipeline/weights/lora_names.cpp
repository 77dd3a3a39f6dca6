#include "pipeline/weights/lora_names.hpp"

#include <algorithm>
#include <map>
#include <vector>

#include "pipeline/weights/expert_names.hpp"

namespace wf {
namespace {

bool take_ending(std::string_view& text, std::string_view ending) {
  if (!text.ends_with(ending)) return false;
  text.remove_suffix(ending.size());
  return true;
}

bool take_beginning(std::string_view& text, std::string_view beginning) {
  if (!text.starts_with(beginning)) return false;
  text.remove_prefix(beginning.size());
  return true;
}

// --- endings: what a tensor is

struct Ending {
  std::string_view text;
  LoraPart part;
  std::string_view changed = "weight";  ///< The layer's tensor that is changed.
  const char* method = "LoRA";
};

// Sources: lora_loader.py of LightX2V (the six spellings of up and down), comfy/weight_adapter of ComfyUI, PEFT's
// tuners.
constexpr Ending endings[] = {
    {".lora_down", LoraPart::down},
    {".lora_A", LoraPart::down},
    {".lora.down", LoraPart::down},
    {"_lora.down", LoraPart::down},
    {".lora_linear_layer.down", LoraPart::down},
    {".lora_up", LoraPart::up},
    {".lora_B", LoraPart::up},
    {".lora.up", LoraPart::up},
    {"_lora.up", LoraPart::up},
    {".lora_linear_layer.up", LoraPart::up},
    {".alpha", LoraPart::alpha},
    {".lora_alpha", LoraPart::alpha},
    {".diff", LoraPart::difference},
    {".w_norm", LoraPart::difference},
    {".diff_b", LoraPart::difference, "bias"},
    {".b_norm", LoraPart::difference, "bias"},
    {".diff_m", LoraPart::difference, "modulation"},
    {".dora_scale", LoraPart::other, "weight", "DoRA"},
    {".lora_magnitude_vector", LoraPart::other, "weight", "DoRA"},
    {".lora_mid", LoraPart::other, "weight", "LoCon with a core (lora_mid)"},
    {".reshape_weight", LoraPart::other, "weight", "LoRA that enlarges its layer (reshape_weight)"},
};

struct Family {
  std::string_view beginning;
  const char* method;
};
// Methods with many endings: hada_w1_a, hada_w1_b, lokr_w1, lokr_t2, oft_blocks, ...
constexpr Family families[] = {{"hada_", "LoHa"}, {"lokr_", "LoKr"}, {"oft_", "OFT"}, {"boft_", "BOFT"}};

/// A name of which the ending is taken off.
struct Taken {
  std::string_view layer;
  Ending ending;
};

std::optional<Taken> take_known_ending(std::string_view name) {
  for (const Ending& ending : endings)
    if (std::string_view layer = name; take_ending(layer, ending.text)) return Taken{layer, ending};
  const std::size_t dot = std::min(name.rfind('.'), name.size());
  for (const Family& family : families)
    if (name.substr(dot).starts_with('.') && name.substr(dot + 1).starts_with(family.beginning))
      return Taken{name.substr(0, dot), {{}, LoraPart::other, "weight", family.method}};
  return std::nullopt;
}

/// The same of a name that may go on after the ending: with .weight or .bias, and before these with the name that PEFT
/// gave its adapter (lora_A.default.weight).
std::optional<Taken> take_ending_of(std::string_view name) {
  const bool is_bias = take_ending(name, ".bias");
  if (!is_bias) take_ending(name, ".weight");
  auto taken = take_known_ending(name);
  if (!taken) taken = take_known_ending(name.substr(0, std::min(name.rfind('.'), name.size())));
  if (!taken || !is_bias) return taken;
  if (taken->ending.part != LoraPart::up) return std::nullopt;
  taken->ending.part = LoraPart::up_bias;
  taken->ending.changed = "bias";
  return taken;
}

// --- prefixes: whose tensor it is

struct Prefix {
  std::string_view text;
  LoraOwner owner = LoraOwner::any;
};
constexpr Prefix prefixes[] = {{"base_model.model."},
                               {"diffusion_model."},
                               {"model."},
                               {"unet."},
                               {"pipe."},
                               {"dit."},
                               {"transformer.", LoraOwner::transformer},
                               {"transformer_2.", LoraOwner::transformer_2},
                               {"lora_unet__"},  // before lora_unet_
                               {"lora_unet_"},
                               {"lora_transformer_"},
                               {"lycoris_"}};

/// Takes off all prefixes, of which a name may have several: base_model.model.transformer.
LoraOwner take_prefixes(std::string_view& layer) {
  LoraOwner owner = LoraOwner::any;
  const auto take = [&](const Prefix& prefix) {
    if (!take_beginning(layer, prefix.text)) return false;
    if (prefix.owner != LoraOwner::any) owner = prefix.owner;
    return true;
  };
  while (std::any_of(std::begin(prefixes), std::end(prefixes), take)) continue;
  return owner;
}

// --- layers: which tensor of the expert it is

/// All tensors of an expert of one block.
std::vector<std::string> expert_tensors() {
  std::vector<std::string> tensors = {"blocks.0.modulation", "head.modulation"};
  std::vector<std::string> layers = {"patch_embedding",  "text_embedding.0",  "text_embedding.2", "time_embedding.0",
                                     "time_embedding.2", "time_projection.1", "head.head",        "blocks.0.norm3",
                                     "blocks.0.ffn.0",   "blocks.0.ffn.2"};
  for (const std::string attention : {"blocks.0.self_attn.", "blocks.0.cross_attn."}) {
    for (const char* matrix : {"q", "k", "v", "o"}) layers.push_back(attention + matrix);
    for (const char* norm : {"norm_q.weight", "norm_k.weight"}) tensors.push_back(attention + norm);
  }
  for (const std::string& layer : layers) tensors.insert(tensors.end(), {layer + ".weight", layer + ".bias"});
  return tensors;
}

std::string with_underscores(std::string name) {
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

/// Diffusers' names within the official attention, as LyCORIS files of some trainers have them: self_attn_to_q.
std::string with_official_attention(std::string diffusers) {
  for (const auto& [theirs, ours] : {std::pair("attn1", "self_attn"), std::pair("attn2", "cross_attn")})
    if (const std::size_t place = diffusers.find(theirs); place != std::string::npos)
      diffusers.replace(place, std::string_view(theirs).size(), ours);
  return diffusers;
}

/// The official names by all names that are read, with underscores for dots: where a name has underscores alone, its
/// words cannot be told apart without this list.
const std::map<std::string, std::string>& spellings() {
  static const auto made = [] {
    std::map<std::string, std::string> by_spelling;
    for (const std::string& official : expert_tensors()) {
      const std::string diffusers = diffusers_expert_name(official);
      for (const std::string& name : {official, diffusers, with_official_attention(diffusers)})
        by_spelling.emplace(with_underscores(name), official);
    }
    return by_spelling;
  }();
  return made;
}

/// The official name of the tensor with this spelling; empty if an expert has none.
std::string official_tensor(const std::string& spelled) {
  constexpr std::string_view blocks = "blocks_";
  std::string_view rest = spelled, number;
  if (take_beginning(rest, blocks)) {
    number = rest.substr(0, std::min(rest.find('_'), rest.size()));
    if (number.empty() || number.find_first_not_of("0123456789") != std::string_view::npos) return "";
    rest.remove_prefix(number.size());
  }
  const auto found = spellings().find(number.empty() ? spelled : "blocks_0" + std::string(rest));
  if (found == spellings().end()) return "";
  return number.empty() ? found->second : "blocks." + std::string(number) + found->second.substr(8);
}

/// The tensor that the ending changes in a layer. A difference may also name the tensor itself: modulation.diff.
std::string target_of(const std::string& layer, const Ending& ending) {
  const std::string spelled = with_underscores(layer);
  const std::string target = official_tensor(spelled + "_" + std::string(ending.changed));
  const bool may_be_tensor = target.empty() && ending.part == LoraPart::difference && ending.changed == "weight";
  return may_be_tensor ? official_tensor(spelled) : target;
}

}  // namespace

std::optional<LoraName> parse_lora_name(std::string_view stored) {
  auto taken = take_ending_of(stored);
  if (!taken) return std::nullopt;
  const LoraOwner owner = take_prefixes(taken->layer);
  const std::string layer(taken->layer);
  std::string target = target_of(layer, taken->ending);
  if (target.empty()) return std::nullopt;
  return LoraName{std::move(target), layer, taken->ending.part, owner, taken->ending.method};
}

}  // namespace wf
