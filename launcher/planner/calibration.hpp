// launcher/planner/calibration.hpp: figures of GPUs and CPUs that were measured, in a file:
//   {"wanfarm_calibration": 1, "gpus": {"KIND": {"source": "...", "token_seconds": ..., ...}}}
// Keys are the members of GpuFigures; a kind may leave some out, whose values then stay.
#pragma once

#include <optional>
#include <string>

#include "cluster/files.hpp"
#include "cluster/node.hpp"
#include "launcher/planner/hardware.hpp"

namespace wf {

/// Returns `base` with what the file says of its kind, unchanged where the file says nothing of it. Throws input naming
/// the file and what is wrong.
GpuFigures calibrated(GpuFigures base, const Path& file);

/// calibration.json in the user's cache: $WANFARM_CACHE, else $XDG_CACHE_HOME/wanfarm, else $HOME/.cache/wanfarm.
Path calibration_file(const Environment& variables);

/// What counts for a kind, of a CPU with so many threads a rank: the figures of `given`, else of the user's own file
/// where there is one, over the built-in ones. Throws input for an unknown kind or a broken file.
GpuFigures chosen_figures(const std::string& kind, int threads, const std::optional<Path>& given);

/// Puts the figures of their kind into the file, which is made where it is missing; other kinds stay. Throws input
/// where the file is there and is no calibration, storage where it cannot be written.
void save_calibration(const GpuFigures& figures, const Path& file);

}  // namespace wf
