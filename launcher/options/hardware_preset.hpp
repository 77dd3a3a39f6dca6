// launcher/options/hardware_preset.hpp: the values of --preset maximum, balanced and constrained: how a run computes on
// GPUs of a class.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace wf {

struct RunOptions;

/// Classes of GPUs by their memory, the largest first: those sold with 80 GB (H100, A100), 40 GB (A100) and 24 GB (RTX
/// 4090).
enum class HardwarePreset { maximum, balanced, constrained };
constexpr const char* to_string(HardwarePreset preset) {
  constexpr const char* names[] = {"maximum", "balanced", "constrained"};
  return names[static_cast<int>(preset)];
}

/// The names of all hardware presets.
std::vector<std::string> hardware_presets();

/// The hardware preset of this name; empty for any other text.
std::optional<HardwarePreset> hardware_preset(const std::string& name);

/// Bytes of each GPU that a run with this preset uses at most: 80, 40 or 24 GB.
std::uint64_t memory_budget(HardwarePreset preset);

/// What a preset looks at in a GPU.
struct PresetGpu {
  int capability = 0;              ///< Compute capability times ten; 0: not known, and taken to be the latest.
  std::uint64_t memory_bytes = 0;  ///< All of its memory.
};

/// Fills in what options.preset, if there is one, says of a run on this GPU, where no flag has said anything:
///   maximum      gpu_memory
///   balanced     gpu_memory, tf32, and precision fp8-linear; or, where the GPU has no products of 8-bit numbers,
///                weights in fp8 instead
///   constrained  the same with less memory. Texts need no value of their own: the planner embeds them before the first
///                clip, or on the CPU, where the encoder does not fit beside the experts.
/// A budget that the GPU does not exceed is no limit: gpu_memory stays 0. Filling in twice is the same as once.
void apply_preset(RunOptions& options, const PresetGpu& gpu);

}  // namespace wf
