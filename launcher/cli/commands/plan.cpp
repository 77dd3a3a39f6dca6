// launcher/cli/commands/plan.cpp: wanfarm plan LIST: shows which GPU would do what for a list, and how long it would
// take.
#include <algorithm>
#include <array>
#include <iostream>
#include <memory>

#include "base/error.hpp"
#include "cluster/gpu.hpp"
#include "cluster/node.hpp"
#include "jobs/list/job_list.hpp"
#include "jobs/list/selection.hpp"
#include "launcher/cli/commands/commands.hpp"
#include "launcher/cli/flags.hpp"
#include "launcher/cli/model_flags.hpp"
#include "launcher/doctor/system_info.hpp"
#include "launcher/options/model_choice.hpp"
#include "launcher/planner/report.hpp"
#include "launcher/planner/run_plan.hpp"
#include "launcher/planner/saved_forwards.hpp"

namespace wf {
namespace {

struct PlanOptions {
  Path list;
  int gpus = 0, nodes = 1, limit = 0;
  std::string gpu, only;
  RunOptions run;
  JobSettings jobs;
};

/// A setter for a size such as "80GiB", or for the name of a hardware preset, which stands for its budget.
std::function<void(const std::string&)> into_memory(std::uint64_t& target) {
  return [&target](const std::string& text) {
    const std::optional<HardwarePreset> preset = hardware_preset(text);
    preset ? void(target = memory_budget(*preset)) : into_bytes(target)(text);
  };
}

/// Describes the GPUs of this node; all are taken to be like the first.
ClusterResources found_ranks(const PlanOptions& options) {
  const CudaView cuda = cuda_view();
  if (cuda.gpus.empty())
    throw Error(
        Error::input,
        "no usable GPU on this node; describe a node that has some, e.g. --gpus 8 --gpu h200, or plan for this node's "
        "CPU with --gpu cpu");
  const Gpu& gpu = cuda.gpus.front();
  const std::string name = options.gpu.empty() ? gpu.name : options.gpu;
  return {{static_cast<int>(cuda.gpus.size())}, name, gpu.memory_bytes, this_node().memory_bytes};
}

/// Describes GPUs of nodes elsewhere; the 0 means that their host memory is unknown.
ClusterResources described_ranks(const PlanOptions& options) {
  const GpuFigures gpu = gpu_figures(options.gpu.empty() ? "h200" : options.gpu);
  return {{options.gpus}, gpu.kind, gpu.memory_bytes, 0};
}

/// Describes --gpus processes on a node like this one, which share its cores and memory.
ClusterResources cpu_ranks(const PlanOptions& options) {
  const Node node = this_node();
  const int ranks = std::max(options.gpus, 1), cores = options.run.threads > 0 ? options.run.threads : node.cores;
  return {{ranks},
          "cpu",
          node.memory_bytes / static_cast<std::uint64_t>(ranks),
          node.memory_bytes,
          std::max(cores / ranks, 1)};
}

ClusterResources chosen_ranks(const PlanOptions& options) {
  ClusterResources ranks = options.gpu == "cpu" ? cpu_ranks(options)
                           : options.gpus > 0   ? described_ranks(options)
                                                : found_ranks(options);
  ranks.on_node.assign(static_cast<std::size_t>(options.nodes), ranks.on_node.front());
  return ranks;
}

bool is_this_nodes_gpu(const PlanOptions& options) { return options.gpus == 0 && options.gpu.empty(); }

/// Of the GPUs that are planned for, whatever this node has.
int capability_of(const ClusterResources& ranks, const PlanOptions& options) {
  return is_this_nodes_gpu(options) ? cuda_view().gpus.front().capability
                                    : gpu_figures(kind_of_device(ranks.device_name)).capability;
}

/// Fills in what --preset says of these ranks, and gives them the memory that flags leave them.
void apply_limits(PlanOptions& options, ClusterResources& ranks) {
  if (ranks.device_name != "cpu")
    apply_preset(options.run, PresetGpu{capability_of(ranks, options), ranks.memory_bytes});
  if (options.run.gpu_memory > 0) ranks.memory_bytes = options.run.gpu_memory;
}

/// Throws what a run would on a GPU of this kind, or on this node's, when it cannot compute so.
void check_on_gpu(const ClusterResources& ranks, const PlanOptions& options, const Execution& execution) {
  const std::string& name = ranks.device_name;
  check_precision(execution, is_this_nodes_gpu(options) ? name : "GPU " + kind_of_device(name),
                  capability_of(ranks, options));
}

/// How a run on these ranks would compute.
Execution execution_on(const ClusterResources& ranks, const PlanOptions& options) {
  const at::Device device = ranks.device_name == "cpu" ? at::Device(at::kCPU) : at::Device(at::kCUDA, 0);
  const Execution execution = execution_on(device, options.run);
  execution.device.is_cpu() ? check_precision(execution) : check_on_gpu(ranks, options, execution);
  return execution;
}

int plan(PlanOptions& options) {
  const JobList list = read_job_list(options.list, options.jobs);
  for (const std::string& warning : list.warnings) std::cerr << "note: " << warning << '\n';
  ClusterResources ranks = chosen_ranks(options);
  apply_limits(options, ranks);
  const Execution execution = execution_on(ranks, options);
  const ModelSource model = ready_model(chosen_model(options.run.model, list.model));
  const ModelParts parts = read_model(model, execution);
  for (const std::string& warning : parts.warnings) std::cerr << "note: " << warning << '\n';
  if (execution.device.is_cpu()) choose_attention(execution, parts.head_dim());  // refuses what a run would refuse
  std::vector<Job> jobs = select(list.jobs, options.only, options.limit);
  for (const std::string& note : find_saved_forwards(jobs, parts)) std::cerr << "note: " << note << '\n';
  const PlanRequest request = request_for(parts, jobs, execution, options.run.planning, ranks);
  const PlanResult result = make_plan(request);
  std::cout << (options.run.json ? to_json(request, result).dump() + '\n' : to_text(request, result));
  return 0;
}

/// The flags of run_flags() that plan takes in addition to those of the placement.
constexpr std::array shared{
    "--guidance-mode",    "--tf32",    "--no-tf32",   "--vae-precision", "--precision", "--fp8-exact-steps",
    "--fp8-exact-blocks", "--weights", "--attention", "--threads"};

std::vector<Flag> flags_of(PlanOptions& o) {
  std::vector<Flag> flags{
      {"LIST", "FILE", "the prompt list (YAML)", into(o.list)},
      {"--gpus", "N", "GPUs per node (default: those of this node)", into(o.gpus, 1)},
      {"--nodes", "N", "number of nodes (1)", into(o.nodes, 1)},
      choice_flag("--gpu", {"h200", "h100", "a100", "l40s", "rtx4090", "generic", "cpu"},
                  "kind of GPU to plan for (default: this node's, h200 with --gpus); cpu: --gpus processes share the "
                  "cores of this node",
                  o.gpu),
      {"--gpu-memory", "SIZE",
       "memory per GPU, e.g. 48GiB; maximum, balanced, constrained: 80GB, 40GB, 24GB (default: what the kind has)",
       into_memory(o.run.gpu_memory)},
  };
  append(flags, model_flags(o.run.model));
  append(flags, placement_flags(o.run.planning));
  append(flags, only_named(run_flags(o.run), shared));
  append(flags, selection_flags(o.only, o.limit));
  flags.push_back({"--json", "", "print everything as one JSON object", into(o.run.json)});
  append(flags, job_flags(o.jobs, {.hardware = &o.run.preset}));
  return flags;
}

}  // namespace

Command plan_command() {
  const auto options = std::make_shared<PlanOptions>();
  return {.name = "plan",
          .summary = "Show how GPUs would share a list, how long it would take, and why",
          .examples =
              "  wanfarm plan prompts.yaml --model random:a14b --gpus 8\n"
              "  wanfarm plan prompts.yaml --model random:a14b --gpus 8 --gpu l40s --size 1280x720\n"
              "  wanfarm plan prompts.yaml --model random:a14b --gpus 1 --gpu rtx4090 --preset constrained\n"
              "  wanfarm plan prompts.yaml --model random:a14b --gpus 8 --nodes 16 --gpu h100 --json\n"
              "  wanfarm plan prompts.yaml --model random:a14b --gpus 8 --limit 1 --cfg-parallel 2 --ulysses 4\n",
          .flags = flags_of(*options),
          .run = [options] { return plan(*options); }};
}

}  // namespace wf
