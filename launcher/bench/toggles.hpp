// launcher/bench/toggles.hpp: what `bench clip --mode each` measures: a baseline, each toggle of the program by itself
// on top of it, and all of them together.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "launcher/bench/session.hpp"

namespace wf {

/// A choice that makes clips faster, as what it does to the settings of a mode. turn_on() throws Error where the choice
/// is without meaning; whether machine and model can carry it out is for the measurement to find.
struct Toggle {
  std::string name;
  std::function<void(ModeSettings&)> turn_on;
};

/// BenchMode::baseline in the official arithmetic, bf16 on a CPU as well, unless --precision says otherwise, without
/// recorded forwards. Throws input for a --precision that a toggle stands for.
ModeSettings baseline_of_each(const BenchOptions& options);

/// All toggles. Those of 8-bit products come in ascending order, and take --fp8-exact-blocks and --fp8-exact-steps; the
/// step cache is that of --step-cache; the guidance interval is a toggle where --guidance-interval gives one.
std::vector<Toggle> all_toggles(const BenchOptions& options);

/// The baseline with all of these toggles, of which a later one wins over an earlier one. Attention, placement and
/// recorded forwards are left to the program, which takes the best that fits with the others.
ModeSettings together(ModeSettings baseline, const std::vector<Toggle>& toggles);

}  // namespace wf
