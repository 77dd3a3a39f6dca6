// jobs/schedule/stage.hpp: the stages of a clip, by name.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace wf {

/// Stages of a clip, in the order in which it passes them. `high` and `low` are the denoising steps of the high-noise
/// and of the low-noise expert.
enum class Stage { text, high, low, decode, write };
inline constexpr std::array all_stages{Stage::text, Stage::high, Stage::low, Stage::decode, Stage::write};

constexpr std::string_view to_string(Stage stage) {
  constexpr std::array<std::string_view, all_stages.size()> names{"text", "high", "low", "decode", "write"};
  return names[static_cast<std::size_t>(stage)];
}

}  // namespace wf
