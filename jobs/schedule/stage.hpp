// jobs/schedule/stage.hpp: the stages of a clip, by name.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

#include "jobs/job.hpp"

namespace wf {

/// Stages of a clip, in the order in which it passes them. `high` and `low` are the denoising steps of the high-noise
/// and of the low-noise expert.
enum class Stage { text, high, low, decode, write };
inline constexpr std::array all_stages{Stage::text, Stage::high, Stage::low, Stage::decode, Stage::write};

constexpr std::string_view to_string(Stage stage) {
  constexpr std::array<std::string_view, all_stages.size()> names{"text", "high", "low", "decode", "write"};
  return names[static_cast<std::size_t>(stage)];
}

/// The scale of the expert that does this stage, `high` or `low`; empty where it is not guided.
constexpr std::optional<double> scale_in(Stage stage, const Guidance& guidance) {
  return stage == Stage::high ? guidance.high : guidance.low;
}
/// Forwards in each step of this stage: with the prompt and, under guidance, with the negative prompt.
constexpr int forwards_in(Stage stage, const Guidance& guidance) { return scale_in(stage, guidance) ? 2 : 1; }

}  // namespace wf
