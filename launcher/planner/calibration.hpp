// launcher/planner/calibration.hpp: measured figures of GPUs and CPUs, in a file:
//   {"wanfarm_calibration": 1, "gpus": {"KIND": {"source": "...", "token_seconds": ..., ...}}}
// Keys are members of GpuFigures. A kind may leave some out; they keep their built-in values.
#pragma once

#include <optional>
#include <string>

#include "base/files.hpp"
#include "cluster/node.hpp"
#include "launcher/planner/hardware.hpp"

namespace wf {

/// `base` with the values that the file has for its kind, or unchanged when the file does not have the kind. Throws
/// input that names the file and what is wrong with it.
GpuFigures calibrated(GpuFigures base, const Path& file);

/// The user's cache folder: $WANFARM_CACHE, else $XDG_CACHE_HOME/wanfarm, else $HOME/.cache/wanfarm.
Path user_cache_folder(const Environment& variables);

/// The path of calibration.json in it.
Path calibration_file(const Environment& variables);

/// The figures to plan with: the built-in ones of `kind`, overridden by those of the file `given`, or else of the
/// user's own file where there is one. `threads`: computing threads of each rank, which matter for kind "cpu". Throws
/// input for an unknown kind or a broken file.
GpuFigures chosen_figures(const std::string& kind, int threads, const std::optional<Path>& given);

/// Writes the figures into the file, in place of those of the same kind; other kinds stay. Makes the file if need be.
/// Throws input when the file is there and is no calibration, storage when it cannot be written.
void save_calibration(const GpuFigures& figures, const Path& file);

}  // namespace wf
