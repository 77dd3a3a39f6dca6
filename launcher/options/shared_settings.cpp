#include "launcher/options/shared_settings.hpp"

#include <spdlog/fmt/fmt.h>

#include "base/text.hpp"

namespace wf {
namespace {

constexpr std::size_t longest_value = 80;  ///< of a value that a message repeats

std::string text(bool value) { return value ? "on" : "off"; }

std::string text(const Path& path) { return path.empty() ? "not given" : path.string(); }

std::string text(const std::optional<Path>& path) { return path ? path->string() : "not given"; }

std::string text(const std::vector<LoraSource>& loras) {
  return loras.empty() ? "not given" : join(describe(loras), ", ");
}

std::string text(const std::optional<Precision>& precision) { return precision ? to_string(*precision) : "auto"; }

std::string text(const std::optional<HardwarePreset>& preset) { return preset ? to_string(*preset) : "not given"; }

std::string value_of(const SharedSettings& settings, const std::string& flag) {
  const auto found = settings.find(flag);
  return found == settings.end() ? "not given" : found->second;
}

/// Advice on ranks of one command whose preset filled in other values on their GPUs; else "".
std::string advice_on(const std::string& flag, const SharedSettings& own, const SharedSettings& of_rank_0) {
  const std::string preset = value_of(own, "--preset");
  const bool is_filled_in = flag == "--precision" || flag == "--weights";
  if (!is_filled_in || preset == "not given" || preset != value_of(of_rank_0, "--preset")) return "";
  return fmt::format(" (--preset {} depends on the GPU: give --precision and --weights as well)", preset);
}

}  // namespace

SharedSettings shared_settings(const RunOptions& o) {
  SharedSettings settings = o.request;
  settings.insert({{"--model", text(o.model.from)},
                   {"--high-model", text(o.model.high)},
                   {"--low-model", text(o.model.low)},
                   {"--text-model", text(o.model.text)},
                   {"--vae-model", text(o.model.vae)},
                   {"--tokenizer", text(o.model.tokenizer)},
                   {"LoRA flags", text(o.model.loras)},
                   {"--weights", to_string(o.weights.value_or(WeightForm::as_computed))},
                   {"--preset", text(o.preset)},
                   {"--output", text(o.output)},
                   {"--precision", text(o.precision)},
                   {"--fp8-exact-steps", o.fp8_exact_steps ? std::to_string(*o.fp8_exact_steps) : "auto"},
                   {"--fp8-exact-blocks", to_string(o.exact_blocks)},
                   {"--guidance-mode", to_string(o.guidance_mode)},
                   {"--attention", to_string(o.attention)},
                   {"--cuda-graphs", to_string(o.cuda_graphs)},
                   {"--noise", o.noise == NoiseSource::cpu ? "cpu" : "device"},
                   {"--tf32", text(o.tf32.value_or(false))},
                   {"--vae-precision", o.vae_bf16               ? "bf16"
                                       : o.tf32.value_or(false) ? "tf32"
                                                                : "exact"},
                   {"placement flags", describe(o.planning.choices)},
                   {"--codec", to_string(o.video.codec)},
                   {"--crf", std::to_string(o.video.crf)},
                   {"--encoder-preset", o.video.preset},
                   {"--color", to_string(o.video.color)},
                   {"--save-latents", text(o.video.save_latents)},
                   {"--png", text(o.video.png)}});
  return settings;
}

std::string first_difference(const SharedSettings& own, const SharedSettings& of_rank_0) {
  SharedSettings all = own;
  all.insert(of_rank_0.begin(), of_rank_0.end());
  for (const auto& [flag, ignored] : all) {
    const std::string here = value_of(own, flag), there = value_of(of_rank_0, flag);
    if (here == there) continue;
    if (here.size() > longest_value || there.size() > longest_value) return fmt::format("other {} than rank 0", flag);
    return fmt::format("{} {}, and rank 0 with {} {}{}", flag, here, flag, there, advice_on(flag, own, of_rank_0));
  }
  return "";
}

}  // namespace wf
