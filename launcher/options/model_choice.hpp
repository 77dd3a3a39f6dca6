// launcher/options/model_choice.hpp: resolves the choices of RunOptions: the checkpoint, and how to compute with it.
#pragma once

#include <optional>

#include "base/files.hpp"
#include "jobs/output/fingerprint.hpp"
#include "launcher/options/run_options.hpp"
#include "pipeline/execution.hpp"

namespace wf {

/// The folder of the flag, or else of the list, or else of models/shapes, which comes with wanfarm: looked for in the
/// current folder, next to or above the program as in a clone, and where `cmake --install` puts it. The result may also
/// be the name "random:PRESET", which ready_model() resolves. Throws environment when models/shapes is not found.
Path chosen_model(const std::optional<Path>& flag, const std::optional<Path>& list);

/// True for a name like "random:PRESET".
bool is_random(const Path& model);

/// The folder of a chosen model. The one of "random:PRESET" is written when it is not there yet. Throws what
/// random_model_folder() throws.
Path ready_model(const Path& model);

/// What --precision auto stands for on a device: reference on a CPU, exact on a GPU.
Precision default_precision(at::Device device);

/// Everything in an Execution that no plan decides (launcher/planner/run_plan.hpp), from flags, or where they say
/// `auto` from what this build and node have. Also sets the number of LibTorch's threads. Throws environment when a GPU
/// is asked for and none can be used.
Execution chosen_execution(const RunOptions& options);

/// What fingerprints and sidecars record of a model and of how it computes.
Recipe recipe_of(const std::string& model_id, const Execution& execution);

}  // namespace wf
