#include "launcher/model_choice.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "cluster/error.hpp"
#include "cluster/node.hpp"
#include "launcher/random_model/random_model.hpp"
#include "parallel/device.hpp"

namespace wf {
namespace {

const Path shapes = "models/shapes";
constexpr std::string_view described = "random:";  ///< before a preset's name

at::Device chosen_device(const std::string& word) {
  const bool gpu = at::globalContext().hasCUDA();
  if (word == "cuda" && !gpu)
    throw Error(Error::environment,
                "--device cuda: this build sees no NVIDIA GPU; 'wanfarm doctor' says what it sees, --device cpu works "
                "everywhere");
  return word == "cuda" || (word == "auto" && gpu) ? at::Device(at::kCUDA, 0) : at::Device(at::kCPU);
}

Precision chosen_precision(const std::string& word, at::Device device) {
  if (word == "auto") return device.is_cpu() ? Precision::reference : Precision::exact;
  return word == "exact" ? Precision::exact : Precision::reference;
}

AttentionBackend chosen_backend(const std::string& word) {
  if (word == "fa3") return AttentionBackend::fa3;
  if (word == "cudnn") return AttentionBackend::cudnn;
  return word == "math" ? AttentionBackend::math : AttentionBackend::automatic;
}

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

}  // namespace

Path chosen_model(const std::optional<Path>& flag, const std::optional<Path>& list) {
  if (flag || list) return flag ? *flag : *list;
  return shipped_model();
}

bool is_random(const Path& model) { return model.string().starts_with(described); }

Path ready_model(const Path& model) {
  return is_random(model) ? random_model_folder(model.string().substr(described.size())) : model;
}

GuidanceMode chosen_guidance(const std::string& mode) {
  for (const GuidanceMode known : {GuidanceMode::two, GuidanceMode::batched})
    if (mode == to_string(known)) return known;
  return GuidanceMode::automatic;
}

Execution chosen_execution(const RunOptions& options) {
  Execution execution;
  execution.device = chosen_device(options.device);
  execution.precision = chosen_precision(options.precision, execution.device);
  execution.guidance = chosen_guidance(options.guidance_mode);
  execution.noise = options.noise == "device" ? NoiseSource::device : NoiseSource::cpu;
  execution.backend = chosen_backend(options.attention);
  execution.tf32 = options.tf32;
  at::set_num_threads(options.threads > 0 ? options.threads : this_node().cores);
  return execution;
}

Recipe recipe_of(const std::string& model_id, const Execution& execution) {
  return {.model_id = model_id,
          .precision = execution.precision == Precision::exact ? "exact" : "reference",
          .tf32 = execution.tf32,
          .noise = execution.noise == NoiseSource::device ? device_name(execution.device) : "cpu"};
}

}  // namespace wf
