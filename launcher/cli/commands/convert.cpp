// launcher/cli/commands/convert.cpp: wanfarm convert IN OUT: writes a model in another layout or dtype, LoRAs merged.
#include "launcher/convert/convert.hpp"

#include <algorithm>
#include <array>
#include <iostream>
#include <memory>

#include "base/error.hpp"
#include "base/exit_codes.hpp"
#include "base/log.hpp"
#include "base/signals.hpp"
#include "launcher/cli/commands/commands.hpp"
#include "launcher/cli/commands/network_text.hpp"
#include "launcher/cli/flags.hpp"
#include "launcher/cli/model_flags.hpp"
#include "launcher/options/model_choice.hpp"

namespace wf {
namespace {

struct ConvertOptions {
  Path in, out;
  ModelSource model;  ///< What flags name of it.
  RunOptions run;     ///< Only its device is used.
  Conversion how;
};

/// Which expert the LoRAs are for, where one expert is converted. Nothing in its file says which one that is.
Expert expert_of(const std::vector<LoraSource>& loras, const Path& in) {
  const auto all_for = [&](Path LoraSource::*other) {
    return std::all_of(loras.begin(), loras.end(), [&](const LoraSource& lora) { return (lora.*other).empty(); });
  };
  if (all_for(&LoraSource::low)) return Expert::high;
  if (all_for(&LoraSource::high)) return Expert::low;
  throw Error(Error::input, in.string() +
                                ": is one expert; name its LoRAs by --lora-high alone if it is the "
                                "high-noise expert, or else by --lora-low alone");
}

ExpertFiles with_loras(const Path& in, const std::vector<LoraSource>& loras, Expert expert) {
  ExpertFiles files{in, config_beside(in), {}};
  for (const LoraSource& lora : loras)
    files.loras.push_back(expert == Expert::high ? LoraFile{lora.high, lora.high_strength}
                                                 : LoraFile{lora.low, lora.low_strength});
  return files;
}

bool convert_alone(const ConvertOptions& options) {
  const auto& [in, out, model, run, how] = options;
  if (!std::filesystem::exists(in)) throw Error(Error::input, in.string() + ": does not exist");
  // A file that is none of the networks is tried as an expert, and the error says what it is.
  const Network network = network_in(Checkpoint(in)).value_or(Network::expert);
  if (network == Network::expert) {
    const Expert expert = expert_of(model.loras, in);
    return convert_expert(with_loras(in, model.loras, expert), expert, out, how);
  }
  if (!model.loras.empty()) throw Error(Error::input, in.string() + ": is no expert; LoRAs are merged into experts");
  return convert_network(network, in, out, how);
}

bool names_parts(const ModelSource& model) { return !model.high.empty() || !model.low.empty(); }

int convert(ConvertOptions options) {
  if (options.out.empty() && names_parts(options.model)) std::swap(options.in, options.out);
  if (options.out.empty()) throw Error(Error::input, "OUT is missing: the folder that is to be made");
  open_log(LogLevel::warn, 0);
  options.how.device = chosen_execution(options.run).device;
  options.how.tell = [](const std::string& line) { std::cout << line << std::endl; };
  install_stop_signals();
  const bool is_model = options.in.empty() || is_model_folder(options.in) || is_random(options.in);
  if (!is_model && !names_parts(options.model)) return convert_alone(options) ? 0 : stopped_with_work_left;
  if (!options.in.empty()) options.model.from = options.in;
  const ModelFiles model = find_model(ready_model(chosen_model(options.model, {})));
  for (const std::string& doubt : doubts(model)) std::cout << "doubt: " << doubt << '\n';
  return convert_model(model, options.out, options.how) ? 0 : stopped_with_work_left;
}

std::vector<Flag> flags_of(ConvertOptions& options) {
  const Choices<std::optional<DType>> dtypes{
      {"stored", {}}, {"f32", DType::f32}, {"bf16", DType::bf16}, {"f16", DType::f16}, {"f8", DType::f8_e4m3}};
  const Choices<Layout> layouts{{"official", Layout::official}, {"diffusers", Layout::diffusers}};
  std::vector<Flag> flags{
      {"IN", "IN", "a model folder, or the file or folder of one network", into(options.in)},
      {.names = "OUT",
       .value = "OUT",
       .help = "the folder to make; must not exist, or be empty. IN may be left out where flags name all parts",
       .set = into(options.out),
       .optional = true},
      choice_flag(
          "--dtype", dtypes,
          "numbers of the experts; f8: matrices of the blocks in F8_E4M3 with a scale for each row, the rest in bf16. "
          "Text encoder and VAE of a model stay as they are stored (stored)",
          options.how.dtype),
      choice_flag("--layout", layouts,
                  "folders and names of Wan-AI/Wan2.2-T2V-A14B, or of its -Diffusers twin (official)",
                  options.how.layout)};
  constexpr std::array device{"--device"};
  append(flags, only_named(run_flags(options.run), device));
  std::vector<Flag> model = model_flags(options.model);
  std::erase_if(model, [](const Flag& flag) { return flag.names == "--model"; });  // that is IN
  for (Flag& flag : model) flag.group = "Model (parts in place of those of IN; LoRAs to merge)";
  append(flags, std::move(model));
  return flags;
}

}  // namespace

Command convert_command() {
  const auto options = std::make_shared<ConvertOptions>();
  return {.name = "convert",
          .summary = "Write a model in another layout or dtype, with LoRAs merged into it",
          .examples =
              "  wanfarm convert /data/Wan2.2-T2V-A14B /data/wan-f8 --dtype f8\n"
              "  wanfarm convert /data/Wan2.2-T2V-A14B /data/lightning --dtype bf16 \\\n"
              "    --lora-high lightning_high.safetensors --lora-low lightning_low.safetensors\n"
              "  wanfarm convert models/shapes shapes-diffusers --layout diffusers\n"
              "  wanfarm convert high_noise.safetensors high-f8 --dtype f8           one expert alone\n",
          .flags = flags_of(*options),
          .run = [options] { return convert(*options); }};
}

}  // namespace wf
