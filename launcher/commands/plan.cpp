// launcher/commands/plan.cpp: wanfarm plan LIST: which GPUs would do what for a list, and how long it would take.
#include <spdlog/fmt/fmt.h>

#include <iostream>
#include <memory>

#include "cluster/error.hpp"
#include "cluster/log.hpp"
#include "jobs/job_file.hpp"
#include "launcher/commands/commands.hpp"
#include "launcher/flags.hpp"
#include "launcher/machine.hpp"
#include "launcher/model_choice.hpp"
#include "launcher/planner/report.hpp"
#include "launcher/selection.hpp"

namespace wf {
namespace {

struct PlanOptions {
  Path list;
  std::optional<Path> model, calibration;
  int gpus = 0, nodes = 1, limit = 0;
  std::uint64_t gpu_memory = 0;
  std::string gpu, placement = "auto", text_device = "auto", precision = "exact", only;
  PlacementChoices choices;
  JobSettings jobs;
  bool tf32 = false, json = false;
};

/// "80GiB", or the word for a class of GPUs.
std::function<void(const std::string&)> into_memory(std::uint64_t& target) {
  return [&target](const std::string& text) {
    const bool word = text == "maximum" || text == "balanced" || text == "constrained";
    into_bytes(target)(!word ? text : text == "maximum" ? "80GB" : text == "balanced" ? "40GB" : "24GB");
  };
}

/// This machine's, all as the first.
Hardware found_hardware() {
  const CudaView cuda = cuda_view();
  if (cuda.gpus.empty())
    throw Error(Error::input, "no GPU can be used here: --gpus 8 --gpu h200 plans for a machine that has some");
  Hardware hardware;
  hardware.gpus_per_node = static_cast<int>(cuda.gpus.size());
  hardware.gpu = gpu_figures(kind_of_device(cuda.gpus.front().name));
  hardware.memory_bytes = cuda.gpus.front().memory_bytes;
  return hardware;
}

Hardware described_hardware(const PlanOptions& options) {
  Hardware hardware;
  hardware.gpus_per_node = options.gpus;
  hardware.gpu = gpu_figures(options.gpu.empty() ? "h200" : options.gpu);
  hardware.memory_bytes = hardware.gpu.memory_bytes;
  return hardware;
}

Hardware chosen_hardware(const PlanOptions& options) {
  Hardware hardware = options.gpus > 0 ? described_hardware(options) : found_hardware();
  hardware.nodes = options.nodes;
  if (options.gpus == 0 && !options.gpu.empty()) hardware.gpu = gpu_figures(options.gpu);
  if (options.gpu_memory > 0) hardware.memory_bytes = options.gpu_memory;
  if (options.calibration) hardware.gpu = calibrated(hardware.gpu, *options.calibration);
  return hardware;
}

PlacementChoices chosen_placement(const PlanOptions& options) {
  PlacementChoices choices = options.choices;
  for (const PlacementMode mode :
       {PlacementMode::resident, PlacementMode::pipeline, PlacementMode::phased, PlacementMode::swap})
    if (options.placement == to_string(mode)) choices.mode = mode;
  if (options.text_device != "auto") choices.text_on_cpu = options.text_device == "cpu";
  return choices;
}

int plan(const PlanOptions& options) {
  const JobList list = read_job_list(options.list, options.jobs);
  const Precision precision = options.precision == "exact" ? Precision::exact : Precision::reference;
  PlanRequest request;
  request.hardware = chosen_hardware(options);
  request.jobs = select(list.jobs, options.only, options.limit);
  request.model = read_model(ready_model(chosen_model(options.model, list.model)), precision);
  request.choices = chosen_placement(options);
  request.tf32 = options.tf32;
  const PlanResult result = make_plan(request);
  std::cout << (options.json ? to_json(request, result).dump() + '\n' : to_text(request, result));
  return 0;
}

std::vector<Flag> flags_of(PlanOptions& o) {
  std::vector<Flag> flags{
      {"LIST", "FILE", "the prompt list (YAML)", into(o.list)},
      {"--model", "FOLDER", "checkpoint in the published layout; random:a14b has its sizes", into(o.model)},
      {"--gpus", "N", "of each node (this machine's)", into(o.gpus, 1)},
      {"--nodes", "N", "of so many GPUs each (1)", into(o.nodes, 1)},
      choice_flag("--gpu", {"h200", "h100", "a100", "l40s", "rtx4090", "generic"}, "whose figures count (h200)", o.gpu),
      {"--gpu-memory", "SIZE", "of a GPU, as 48GiB; maximum, balanced, constrained: 80GB, 40GB, 24GB (the kind's own)",
       into_memory(o.gpu_memory)},
      {"--calibration", "FILE", "measured figures of such GPUs, in place of the built-in ones", into(o.calibration)},
      choice_flag("--placement", {"auto", "resident", "pipeline", "phased", "swap"}, "what is looked at", o.placement),
      {"--cfg-parallel", "1|2", "ranks for the two forwards of a step", into(o.choices.guidance, 1)},
      {"--ulysses", "N", "ranks that share a clip by heads", into(o.choices.ulysses, 1)},
      {"--ring", "N", "ranks that share a clip by passing keys and values on", into(o.choices.ring, 1)},
      {"--high-ranks", "N", "of pipeline, for the high-noise expert", into(o.choices.high_ranks, 1)},
      {"--low-ranks", "N", "of pipeline, for the low-noise expert", into(o.choices.low_ranks, 1)},
      choice_flag("--text-device", {"auto", "cpu", "cuda"}, "of the text encoder", o.text_device),
      choice_flag("--precision", {"reference", "exact"}, "f32, or the official bf16 arithmetic (exact)", o.precision),
      {"--tf32", "", "decode in TF32", into(o.tf32)},
      {"--only", "WHICH", "places, ranges and names of the list: 1,4-6,rain*", into(o.only)},
      {"--limit", "N", "the first N clips", into(o.limit, 1)},
      {"--json", "", "everything, as one JSON object", into(o.json)},
  };
  for (Flag& flag : job_flags(o.jobs)) flags.push_back(std::move(flag));
  return flags;
}

}  // namespace

Command plan_command() {
  const auto options = std::make_shared<PlanOptions>();
  return {.name = "plan",
          .summary = "Show how GPUs would share a list's work, how long it would take, and why",
          .examples =
              "  wanfarm plan prompts.yaml --model random:a14b --gpus 8\n"
              "  wanfarm plan prompts.yaml --model random:a14b --gpus 8 --gpu l40s --size 1280x720\n"
              "  wanfarm plan prompts.yaml --model random:a14b --gpus 8 --nodes 16 --gpu h100 --json\n"
              "  wanfarm plan prompts.yaml --model random:a14b --gpus 8 --limit 1 --cfg-parallel 2 --ulysses 4\n",
          .flags = flags_of(*options),
          .run = [options] { return plan(*options); }};
}

}  // namespace wf
