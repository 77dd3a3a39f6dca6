// launcher/model_choice.hpp: which checkpoint a run takes, and how it computes with it.
#pragma once

#include <optional>

#include "cluster/files.hpp"
#include "jobs/fingerprint.hpp"
#include "launcher/flags.hpp"
#include "pipeline/execution.hpp"

namespace wf {

/// The flag's folder, else the list's, else models/random.
Path chosen_model(const std::optional<Path>& flag, const std::optional<Path>& list);

/// Makes models/random when it is the chosen model and not there yet; says that its pictures will look like noise.
void make_random_model_if_missing(const Path& model);

/// Device, precision and all that no plan decides (plan.hpp) by their flags; `auto` by what this build and machine
/// have. Throws environment when a GPU is asked for and none can be used.
Execution chosen_execution(const RunOptions& options);

/// What fingerprints and sidecars say of a model and of how it computes.
Recipe recipe_of(const std::string& model_id, const Execution& execution);

}  // namespace wf
