#include "launcher/options/model_choice.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <spdlog/fmt/fmt.h>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "cluster/gpu.hpp"
#include "cluster/node.hpp"
#include "launcher/options/unused_gpus.hpp"
#include "launcher/options/weights_cache_choice.hpp"
#include "launcher/random_model/random_model.hpp"
#include "parallel/device.hpp"
#include "parallel/device_graph.hpp"

namespace wf {
namespace {

const Path shapes = "models/shapes";

bool has_weights(const Path& folder) { return std::filesystem::exists(folder / "high_noise_model"); }

Path shipped_model() {
  if (has_weights(shapes)) return shapes;
  const Path program = std::filesystem::read_symlink("/proc/self/exe");
  for (Path above = program.parent_path(); above.has_relative_path(); above = above.parent_path()) {
    for (const Path& folder : {above / shapes, above / "share/wanfarm" / shapes})
      if (has_weights(folder)) return folder;
  }
  throw Error(Error::environment, "no model is named, and " + shapes.string() +
                                      ", which comes with wanfarm, is not with the program; give --model FOLDER");
}

/// Throws Error(input) that names the flags of what a model without a folder lacks.
void check_whole(const ModelSource& model) {
  std::vector<std::string> missing;
  for (const std::string_view key : missing_parts(model)) missing.push_back("--" + std::string(key) + "-model");
  if (!missing.empty())
    throw Error(Error::input, "parts of a model are named, but not all: give also " + join(missing, ", ") +
                                  ", or --model, the folder of a whole model");
}

}  // namespace

ModelSource chosen_model(const ModelSource& flags, const ModelSource& list) {
  ModelSource chosen = list;
  if (!flags.from.empty()) chosen = {.from = flags.from, .loras = list.loras};
  for (const ModelPlace& place : model_places)
    if (!(flags.*place.path).empty()) chosen.*place.path = flags.*place.path;
  if (!flags.loras.empty()) chosen.loras = flags.loras;
  if (!names_model(chosen)) chosen.from = shipped_model();
  check_whole(chosen);
  return chosen;
}

ModelSource ready_model(ModelSource model) {
  if (is_random(model.from)) model.from = random_model_folder(model.from.string().substr(random_prefix.size()));
  return model;
}

at::Device chosen_device(DeviceChoice choice) {
  const bool gpu = at::globalContext().hasCUDA();
  if (choice == DeviceChoice::cuda && !gpu)
    throw Error(
        Error::environment,
        cuda_view().version.empty()
            ? "--device cuda: this build has no CUDA; './wanfarm --cuda --version' makes one that has, --device "
              "cpu works everywhere"
            : "--device cuda: this build sees no NVIDIA GPU; 'wanfarm doctor' shows what it sees, --device cpu "
              "works everywhere");
  return gpu && choice != DeviceChoice::cpu ? at::Device(at::kCUDA, 0) : at::Device(at::kCPU);
}

void apply_preset(RunOptions& options, at::Device device) {
  if (!options.preset || device.is_cpu()) return;
  apply_preset(options, PresetGpu{compute_capability(device), memory_limit(device)});
}

Precision default_precision(at::Device device) { return device.is_cpu() ? Precision::reference : Precision::exact; }

Execution execution_on(at::Device device, const RunOptions& options) {
  Execution execution;
  execution.device = device;
  execution.precision = options.precision.value_or(default_precision(execution.device));
  execution.fp8_exact_steps = options.fp8_exact_steps;
  execution.exact_blocks = options.exact_blocks;
  execution.weights = options.weights.value_or(WeightForm::as_computed);
  execution.guidance = options.guidance_mode;
  execution.noise = options.noise;
  execution.backend = options.attention;
  execution.cuda_graphs = options.cuda_graphs;
  execution.tf32 = options.tf32.value_or(false);
  execution.vae = options.vae_bf16 ? at::kBFloat16 : at::kFloat;
  return execution;
}

Execution chosen_execution(const RunOptions& options) {
  Execution execution = execution_on(chosen_device(options.device), options);
  if (options.device == DeviceChoice::automatic && execution.device.is_cpu())
    if (const std::string text = unused_gpus_text(gpus_of_driver(), !cuda_view().version.empty()); !text.empty())
      spdlog::warn("{}", text);
  if (execution.cuda_graphs == CudaGraphs::on && !can_record(execution.device))
    throw Error(Error::environment, "--cuda-graphs on: this run computes on a CPU; a GPU can record its forwards");
  check_precision(execution);
  execution.capability = compute_capability(execution.device);
  execution.weights_cache = chosen_weights_cache(options, environment());
  at::set_num_threads(options.threads > 0 ? options.threads : this_node().cores);
  return execution;
}

Recipe recipe_of(const std::string& model_id, const Execution& execution, bool rounded_to_fp8) {
  const bool attention_in_fp8 = attends_in_fp8(execution), in_8_bits = computes_in_8_bits(execution);
  return {.model_id = model_id,
          .precision = to_string(execution.precision),
          .tf32 = execution.tf32,
          .noise = execution.noise == NoiseSource::device ? device_name(execution.device) : "cpu",
          .weights = rounded_to_fp8 ? "fp8" : "",
          .attention = attention_in_fp8 && execution.precision != Precision::fp8 ? "fp8" : "",
          .fp8_exact_steps = in_8_bits ? execution.fp8_exact_steps : std::nullopt,
          .fp8_exact_blocks = execution.exact_blocks.any() ? to_string(execution.exact_blocks) : "",
          .vae_bf16 = execution.vae == at::kBFloat16};
}

}  // namespace wf
