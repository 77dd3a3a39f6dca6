#include "launcher/cli/model_flags.hpp"

#include "base/error.hpp"
#include "jobs/list/settings.hpp"

namespace wf {
namespace {

using Setter = std::function<void(const std::string&)>;

/// A LoRA file as typed: "FILE" or "FILE=STRENGTH". What follows the last '=' is a strength if it is written like a
/// number, and part of the file's name otherwise.
struct TypedLora {
  Path file;
  double strength = 1;
};

TypedLora typed_lora(const std::string& text) {
  const std::size_t equals = text.rfind('=');
  const std::string last = equals == std::string::npos ? "" : text.substr(equals + 1);
  const bool is_number = last.find_first_of("0123456789") != std::string::npos &&
                         last.find_first_not_of("0123456789.eE+-") == std::string::npos;
  if (!is_number) return {named_path(text)};
  return {named_path(text.substr(0, equals)), parse_strength(last)};
}

/// Adds a LoRA to those that were given before. high, low: which experts it is for.
Setter into_loras(std::vector<LoraSource>& target, bool high, bool low) {
  return [&target, high, low](const std::string& text) {
    const TypedLora typed = typed_lora(text);
    LoraSource lora;
    if (high) lora.high = typed.file, lora.high_strength = typed.strength;
    if (low) lora.low = typed.file, lora.low_strength = typed.strength;
    target.push_back(lora);
  };
}

Flag lora_flag(const char* name, const char* help, const Setter& set) {
  Flag flag{name, "FILE[=STRENGTH]", help, set};
  flag.several = true;
  return flag;
}

}  // namespace

std::vector<Flag> model_flags(ModelSource& model) {
  std::vector<Flag> flags{
      {"--model", "FOLDER",
       "a whole model, in the layout of Wan-AI/Wan2.2-T2V-A14B or of its -Diffusers twin (default: the list's, else "
       "models/shapes); random:a14b makes random weights of the published size",
       into(model.from)},
      {"--high-model", "FILE", "high-noise expert, in place of the model's own: a file, or a folder of shards",
       into(model.high)},
      {"--low-model", "FILE", "low-noise expert, likewise", into(model.low)},
      {"--text-model", "FILE", "text encoder (umT5-xxl), likewise", into(model.text)},
      {"--vae-model", "FILE", "VAE (of Wan 2.1), likewise", into(model.vae)},
      {"--tokenizer", "FILE",
       "tokenizer.json, spiece.model or a folder with one (default: the model's, or what the text encoder's file "
       "holds)",
       into(model.tokenizer)},
      lora_flag("--lora",
                "merge this LoRA into both experts (strength 1); may be given again. Flags for LoRAs take the place of "
                "all LoRAs of the list",
                into_loras(model.loras, true, true)),
      lora_flag("--lora-high", "merge this LoRA into the high-noise expert alone",
                into_loras(model.loras, true, false)),
      lora_flag("--lora-low", "merge this LoRA into the low-noise expert alone", into_loras(model.loras, false, true))};
  for (Flag& flag : flags) flag.group = "Model (wins over the list's)";
  return flags;
}

}  // namespace wf
