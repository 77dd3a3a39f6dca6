#include "launcher/cli/commands/planned_ranks.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <iostream>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cluster/gpu.hpp"
#include "cluster/node.hpp"
#include "jobs/list/settings.hpp"
#include "jobs/list/utf8.hpp"
#include "launcher/doctor/system_info.hpp"
#include "launcher/options/model_choice.hpp"
#include "launcher/options/shapes_of_model.hpp"
#include "launcher/planner/run_plan.hpp"
#include "launcher/planner/saved_forwards.hpp"

namespace wf {

ClusterResources found_ranks(const PlannedRanks& planned, int gpus, const std::string& name, std::uint64_t memory) {
  if (planned.gpu.empty()) return {{gpus}, name, memory, this_node().memory_bytes};
  return {{gpus}, planned.gpu, gpu_figures(planned.gpu).memory_bytes, this_node().memory_bytes};
}

std::uint64_t limited_memory(const std::string& device_name, std::uint64_t memory, std::uint64_t limit) {
  if (limit == 0) return memory;
  return kind_of_device(device_name) == "generic" ? limit : std::min(memory, limit);
}

namespace {

/// Describes the GPUs of this node; all are taken to be like the first, or as many of the kind that is planned for.
ClusterResources found_ranks(const PlannedRanks& planned) {
  const CudaView cuda = cuda_view();
  if (cuda.gpus.empty())
    throw Error(
        Error::input,
        "no usable GPU on this node; describe a node that has some, e.g. --gpus 8 --gpu h200, or plan for this node's "
        "CPU with --gpu cpu");
  const Gpu& gpu = cuda.gpus.front();
  return found_ranks(planned, static_cast<int>(cuda.gpus.size()), gpu.name, gpu.memory_bytes);
}

/// Describes GPUs of nodes elsewhere; the 0 means that their host memory is unknown.
ClusterResources described_ranks(const PlannedRanks& planned) {
  const GpuFigures gpu = gpu_figures(planned.gpu.empty() ? "h200" : planned.gpu);
  return {{planned.per_node}, gpu.kind, planned.memory_bytes > 0 ? planned.memory_bytes : gpu.memory_bytes, 0};
}

/// Throws input where --nodes or --gpu do not go with the kinds that --gpus names.
void check_kinds(const PlannedRanks& planned) {
  const std::size_t kinds = planned.kinds.size(), numbers = planned.nodes.size();
  if (kinds == 0 && numbers > 1)
    throw Error(Error::input, "--nodes: a sum such as 2+4 needs as many kinds of node, such as --gpus 4xh100+8xl40s");
  if (kinds > 0 && numbers > 1 && numbers != kinds)
    throw Error(Error::input, fmt::format("--nodes: {} numbers for the {} kinds of node of --gpus", numbers, kinds));
  if (kinds > 0 && !planned.gpu.empty())
    throw Error(Error::input, "--gpu " + planned.gpu + ": --gpus has named the kinds already");
}

/// Describes nodes of several kinds elsewhere, of unknown host memory.
ClusterResources described_kinds(const PlannedRanks& planned) {
  std::vector<RankResources> ranks;
  for (std::size_t kind = 0; kind < planned.kinds.size(); ++kind) {
    const GpuFigures gpu = gpu_figures(planned.kinds[kind].gpu);
    const int nodes = planned.nodes[std::min(kind, planned.nodes.size() - 1)];
    for (int node = 0; node < nodes; ++node)
      for (int i = 0; i < planned.kinds[kind].per_node; ++i)
        ranks.push_back({.host = fmt::format("{}.{}", kind, node),
                         .device_name = gpu.kind,
                         .gpu = "",
                         .memory_bytes = gpu.memory_bytes});
  }
  return cluster_resources(ranks);
}

/// Describes processes on a node like this one, which share its cores and memory.
ClusterResources cpu_ranks(const PlannedRanks& planned, int threads) {
  const Node node = this_node();
  const int ranks = std::max(planned.per_node, 1), cores = threads > 0 ? threads : node.cores;
  return {{ranks},
          "cpu",
          node.memory_bytes / static_cast<std::uint64_t>(ranks),
          node.memory_bytes,
          std::max(cores / ranks, 1)};
}

ClusterResources resources_of(const PlannedRanks& planned, int threads) {
  check_kinds(planned);
  if (!planned.kinds.empty()) return described_kinds(planned);
  ClusterResources ranks = planned.gpu == "cpu"   ? cpu_ranks(planned, threads)
                           : planned.per_node > 0 ? described_ranks(planned)
                                                  : found_ranks(planned);
  ranks.on_node.assign(static_cast<std::size_t>(planned.nodes.front()), ranks.on_node.front());
  return ranks;
}

bool is_this_nodes_gpu(const PlannedRanks& planned) {
  return planned.per_node == 0 && planned.gpu.empty() && planned.kinds.empty();
}

/// Of the GPUs that are planned for, whatever this node has; of several kinds the least.
int capability_of(const ClusterResources& ranks, const PlannedRanks& planned) {
  if (is_this_nodes_gpu(planned)) return cuda_view().gpus.front().capability;
  int least = gpu_figures(kind_of_device(ranks.device_name)).capability;
  for (const AlikeRanks& kind : ranks.kinds) least = std::min(least, gpu_figures(kind.device_name).capability);
  return least;
}

/// Fills in what --preset says of these ranks, and gives them the memory that flags leave them.
void apply_limits(const PlannedRanks& planned, RunOptions& run, ClusterResources& ranks) {
  if (ranks.device_name != "cpu") apply_preset(run, PresetGpu{capability_of(ranks, planned), ranks.memory_bytes});
  ranks.memory_bytes = limited_memory(ranks.device_name, ranks.memory_bytes, run.gpu_memory);
  for (AlikeRanks& kind : ranks.kinds)
    kind.memory_bytes = limited_memory(kind.device_name, kind.memory_bytes, run.gpu_memory);
}

/// Throws what a run would on a GPU of this kind, or on this node's, when it cannot compute so.
void check_on_gpu(const ClusterResources& ranks, const PlannedRanks& planned, const Execution& execution) {
  const std::string& name = ranks.device_name;
  check_precision(execution, is_this_nodes_gpu(planned) ? name : "GPU " + kind_of_device(name), execution.capability);
}

/// How a run on these ranks would compute.
Execution execution_of(const ClusterResources& ranks, const PlannedRanks& planned, const RunOptions& run) {
  const at::Device device = ranks.device_name == "cpu" ? at::Device(at::kCPU) : at::Device(at::kCUDA, 0);
  Execution execution = execution_on(device, run);
  if (device.is_cpu()) {
    check_precision(execution);
  } else {
    execution.capability = capability_of(ranks, planned);
    check_on_gpu(ranks, planned, execution);
  }
  return execution;
}

/// The parts of "2+4".
std::vector<std::string> summands(const std::string& text) {
  std::vector<std::string> parts{""};
  for (const char character : text)
    if (character == '+')
      parts.emplace_back();
    else
      parts.back() += character;
  return parts;
}

/// "4xh100"
PlannedKind kind_from(const std::string& text) {
  const std::size_t times = text.find('x');
  if (times == std::string::npos)
    throw Error(Error::input,
                "a number of GPUs a node, or kinds of node such as 4xh100+8xl40s are needed, got " + in_quotes(text));
  const PlannedKind kind{parse_count("the number of GPUs a node", text.substr(0, times), 1), text.substr(times + 1)};
  gpu_figures(kind.gpu);
  return kind;
}

}  // namespace

void set_gpus(PlannedRanks& ranks, const std::string& text) {
  ranks.per_node = 0, ranks.kinds.clear();
  if (text.find_first_not_of("0123456789") == std::string::npos)
    ranks.per_node = parse_count("the value", text, 1);
  else
    for (const std::string& kind : summands(text)) ranks.kinds.push_back(kind_from(kind));
}

void set_nodes(PlannedRanks& ranks, const std::string& text) {
  ranks.nodes.clear();
  for (const std::string& number : summands(text)) ranks.nodes.push_back(parse_count("the value", number, 1));
}

PlanRequest plan_request(const ModelSource& list_model, std::vector<Job> jobs, const PlannedRanks& planned,
                         RunOptions& run) {
  ClusterResources ranks = resources_of(planned, run.threads);
  apply_limits(planned, run, ranks);
  const Execution execution = execution_of(ranks, planned, run);
  const ShapesOfModel model(chosen_model(run.model, list_model));
  const ModelParts parts = read_model(model.source(), execution);
  for (const std::string& warning : parts.warnings) std::cerr << "note: " << warning << '\n';
  if (execution.device.is_cpu()) choose_attention(execution, parts.head_dim());  // refuses what a run would refuse
  for (const std::string& note : find_saved_forwards(jobs, parts)) std::cerr << "note: " << note << '\n';
  return request_for(parts, jobs, execution, run.planning, ranks);
}

}  // namespace wf
