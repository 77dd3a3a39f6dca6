// launcher/model_choice.hpp: which checkpoint a run takes, and how it computes with it.
#pragma once

#include <optional>

#include "cluster/files.hpp"
#include "jobs/fingerprint.hpp"
#include "launcher/flags.hpp"
#include "pipeline/execution.hpp"

namespace wf {

/// The flag's folder, else the list's, else models/shapes, which comes with wanfarm: in the current folder, else beside
/// or above the program, as in a clone, else where `cmake --install` puts it; throws environment when it is nowhere.
/// "random:PRESET" is a name, not a folder yet.
Path chosen_model(const std::optional<Path>& flag, const std::optional<Path>& list);

/// "random:PRESET"
bool is_random(const Path& model);

/// The folder of a chosen model. What "random:PRESET" stands for is made when it is not there yet.
Path ready_model(const Path& model);

/// What --guidance-mode says.
GuidanceMode chosen_guidance(const std::string& mode);

/// Device, precision and all that no plan decides (plan.hpp) by their flags; `auto` by what this build and machine
/// have. Throws environment when a GPU is asked for and none can be used.
Execution chosen_execution(const RunOptions& options);

/// What fingerprints and sidecars say of a model and of how it computes.
Recipe recipe_of(const std::string& model_id, const Execution& execution);

}  // namespace wf
