// launcher/model_choice.hpp: which checkpoint a run takes, and how it computes with it.
#pragma once

#include <optional>

#include "cluster/files.hpp"
#include "jobs/fingerprint.hpp"
#include "launcher/flags.hpp"
#include "pipeline/execution.hpp"

namespace wf {

/// The flag's folder, else the list's, else models/random. "random:PRESET" is a name, not a folder yet.
Path chosen_model(const std::optional<Path>& flag, const std::optional<Path>& list);

/// The folder of a chosen model. models/random and what "random:PRESET" stands for are made when they are not there
/// yet; says that their pictures will look like noise.
Path ready_model(const Path& model);

/// What --guidance-mode says.
GuidanceMode chosen_guidance(const std::string& mode);

/// Device, precision and all that no plan decides (plan.hpp) by their flags; `auto` by what this build and machine
/// have. Throws environment when a GPU is asked for and none can be used.
Execution chosen_execution(const RunOptions& options);

/// What fingerprints and sidecars say of a model and of how it computes.
Recipe recipe_of(const std::string& model_id, const Execution& execution);

}  // namespace wf
