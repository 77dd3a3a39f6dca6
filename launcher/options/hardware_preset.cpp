#include "launcher/options/hardware_preset.hpp"

#include "launcher/options/run_options.hpp"

namespace wf {
namespace {

constexpr HardwarePreset all_presets[] = {HardwarePreset::maximum, HardwarePreset::balanced,
                                          HardwarePreset::constrained};

bool multiplies_8_bit_numbers(const PresetGpu& gpu) {
  constexpr int ada = 89;
  return gpu.capability == 0 || gpu.capability >= ada;
}

}  // namespace

std::vector<std::string> hardware_presets() {
  std::vector<std::string> names;
  for (const HardwarePreset preset : all_presets) names.emplace_back(to_string(preset));
  return names;
}

std::optional<HardwarePreset> hardware_preset(const std::string& name) {
  for (const HardwarePreset preset : all_presets)
    if (name == to_string(preset)) return preset;
  return {};
}

std::uint64_t memory_budget(HardwarePreset preset) {
  constexpr std::uint64_t gigabyte = 1'000'000'000;
  if (preset == HardwarePreset::maximum) return 80 * gigabyte;
  return (preset == HardwarePreset::balanced ? 40 : 24) * gigabyte;
}

void apply_preset(RunOptions& options, const PresetGpu& gpu) {
  if (!options.preset) return;
  const std::uint64_t budget = memory_budget(*options.preset);
  if (options.gpu_memory == 0 && budget < gpu.memory_bytes) options.gpu_memory = budget;
  if (*options.preset == HardwarePreset::maximum) return;
  if (!options.tf32) options.tf32 = true;
  if (!multiplies_8_bit_numbers(gpu)) {
    if (!options.weights) options.weights = WeightForm::fp8;
  } else if (!options.precision && !options.precision_is_auto) {
    options.precision = Precision::fp8_linear;
  }
}

}  // namespace wf
