// launcher/options/model_choice.hpp: resolves the choices of RunOptions: the checkpoint, and how to compute with it.
#pragma once

#include "jobs/model_source.hpp"
#include "jobs/output/fingerprint.hpp"
#include "launcher/options/run_options.hpp"
#include "pipeline/execution.hpp"

namespace wf {

/// The model of a run. --model takes the place of the list's `model:` with all its parts; a flag for a part takes the
/// place of that part; flags for LoRAs take the place of the list's `loras:`. Where neither names a model it is
/// models/shapes, which comes with wanfarm: looked for in the current folder, next to or above the program as in a
/// clone, and where `cmake --install` puts it. `from` may also be the name "random:PRESET", which ready_model()
/// resolves. Throws input when there is no folder and not every part, environment when models/shapes is not found.
ModelSource chosen_model(const ModelSource& flags, const ModelSource& list);

/// The same model with a folder in place of "random:PRESET", which is written when it is not there yet. Throws what
/// random_model_folder() throws.
ModelSource ready_model(ModelSource model);

/// The device of a process that computes alone: the first GPU, or the CPU. Throws environment when a GPU is asked for
/// and none can be used.
at::Device chosen_device(DeviceChoice choice);

/// apply_preset() (hardware_preset.hpp) for a device of this node, before anything limits its memory. On a CPU nothing
/// is filled in.
void apply_preset(RunOptions& options, at::Device device);

/// What --precision auto stands for on a device: reference on a CPU, exact on a GPU.
Precision default_precision(at::Device device);

/// An Execution on a device with everything that flags say of it, and what was filled in of their preset. Nothing is
/// checked.
Execution execution_on(at::Device device, const RunOptions& options);

/// Everything in an Execution that no plan decides (launcher/planner/run_plan.hpp), from flags, or where they say
/// `auto` from what this build and node have, on chosen_device(). Of a preset it has what apply_preset() filled in.
/// Also sets the number of LibTorch's threads. Throws environment when a GPU is asked for and none can be used.
Execution chosen_execution(const RunOptions& options);

/// What fingerprints and sidecars record of a model and of how it computes. rounded_to_fp8:
/// ModelParts::is_rounded_to_fp8.
Recipe recipe_of(const std::string& model_id, const Execution& execution, bool rounded_to_fp8);

}  // namespace wf
