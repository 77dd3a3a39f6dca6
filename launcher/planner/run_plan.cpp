#include "launcher/planner/run_plan.hpp"

#include <ATen/Parallel.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <map>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "cluster/gpu.hpp"
#include "cluster/node.hpp"
#include "launcher/planner/alike_groups.hpp"
#include "launcher/planner/calibration.hpp"
#include "launcher/planner/candidates.hpp"
#include "parallel/device.hpp"
#include "parallel/nccl_communicator.hpp"

namespace wf {
namespace {

bool on_cpu(const std::string& device_name) { return device_name == "cpu"; }

void check_alike(const RankResources& one, const RankResources& other) {
  if (on_cpu(one.device_name) == on_cpu(other.device_name)) return;
  throw Error(Error::environment,
              fmt::format("a rank on {} computes with {}, one on {} with {}: use --device cpu for all, or no more "
                          "ranks on a node than it has GPUs",
                          one.host, one.device_name, other.host, other.device_name));
}

bool slower(const std::string& device_name, const std::string& than) {
  if (device_name == than || on_cpu(device_name)) return false;
  return gpu_figures(kind_of_device(device_name)).token_seconds > gpu_figures(kind_of_device(than)).token_seconds;
}

/// Whether two ranks count as of one kind.
bool alike(const AlikeRanks& one, const RankResources& other) {
  if (on_cpu(one.device_name)) return one.threads == other.threads;
  const std::uint64_t difference =
      std::max(one.memory_bytes, other.memory_bytes) - std::min(one.memory_bytes, other.memory_bytes);
  return kind_of_device(one.device_name) == kind_of_device(other.device_name) && difference < one.memory_bytes / 10;
}

/// The kinds of ranks of several nodes, one node after the other; empty where all are of one kind.
std::vector<AlikeRanks> kinds_of(const std::vector<std::vector<RankResources>>& nodes) {
  std::vector<AlikeRanks> kinds;
  for (const std::vector<RankResources>& node : nodes) {
    for (const RankResources& rank : node) {
      if (kinds.empty() || !alike(kinds.back(), rank))
        kinds.push_back({0, rank.device_name, rank.memory_bytes, rank.threads});
      ++kinds.back().count;
      kinds.back().memory_bytes = std::min(kinds.back().memory_bytes, rank.memory_bytes);
    }
  }
  return kinds.size() == 1 ? std::vector<AlikeRanks>() : kinds;
}

/// Throws input when flags force degrees or pools that need more ranks than there are: --ranks was probably forgotten.
void check_enough_ranks(const PlacementChoices& choices, int ranks) {
  const int group = std::max(choices.guidance, 1) * std::max(choices.ulysses, 1) * std::max(choices.ring, 1);
  const bool pools = choices.mode == PlacementMode::pipeline || choices.high_ranks > 0 || choices.low_ranks > 0;
  const int needed = pools ? std::max(choices.high_ranks, group) + std::max(choices.low_ranks, group) : group;
  if (needed <= ranks) return;
  throw Error(Error::input, fmt::format("{}: that needs {} ranks at least, and this run has {}: --ranks {} starts them",
                                        describe(choices), needed, ranks, needed));
}

/// Without NCCL each clip is rendered by a single GPU. Throws input when flags ask for anything else.
PlacementChoices without_shared_clips(PlacementChoices choices) {
  if (std::max({choices.guidance, choices.ulysses, choices.ring}) > 1)
    throw Error(Error::input, describe(choices) +
                                  ": this build has no NCCL, over which GPUs share a clip; without these flags each "
                                  "GPU renders clips of its own");
  choices.guidance = choices.ulysses = choices.ring = 1;
  return choices;
}

std::string memory_text(const PlacementPlan& plan) {
  const char* const experts = plan.mode == PlacementMode::resident   ? "experts resident"
                              : plan.mode == PlacementMode::pipeline ? "an expert each"
                              : plan.mode == PlacementMode::stream   ? "experts streamed"
                                                                     : "experts exchanged";
  const char* const text = plan.text == TextPlace::cpu        ? "text encoder on the CPU"
                           : plan.text == TextPlace::resident ? "text encoder beside them"
                                                              : "text encoder before them";
  return fmt::format("{}, {}", experts, text);
}

void log_plan(const PlanResult& result, const Hardware& hardware, const ClusterResources& ranks) {
  const Considered& winner = result.winner();
  const RankMemory& fullest = winner.fullest();
  const bool alone = ranks.on_node == std::vector<int>{1}, cpu = on_cpu(ranks.device_name);
  if (winner.shortage > 0)
    spdlog::warn("the model and the largest clip take about {} of memory{}, and there are {}: expect swapping",
                 gibibytes(fullest.total()), alone ? "" : " a rank", gibibytes(ranks.memory_bytes));
  const std::uint64_t pinned = winner.predicted.node_pinned_bytes;
  if (ranks.host_free > 0 && pinned > ranks.host_free)
    spdlog::warn("copies of experts pin {} of a node's memory, of which other programs leave {} free: end some of them",
                 gibibytes(pinned), gibibytes(ranks.host_free));
  if (!alone) spdlog::info("placement: {}; {}", describe(winner.plan), result.reason);
  if (!cpu && hardware.kinds.empty())
    spdlog::info("{}: {}; the largest clip takes {} of {}", ranks.device_name, memory_text(winner.plan),
                 gibibytes(fullest.total() - margin_bytes), gibibytes(ranks.memory_bytes));
  for (std::size_t pool = 0; pool < winner.plan.pools.size() && !hardware.kinds.empty(); ++pool)
    spdlog::info("pool {} on {}: {}; the largest clip takes {}", winner.plan.pools[pool].name,
                 kinds_text(hardware, winner.plan, pool), memory_text(winner.plan),
                 gibibytes(winner.predicted.memory[pool].total() - (cpu ? cpu_margin_bytes : margin_bytes)));
}

Residency residency_of(const PlacementPlan& plan) {
  if (plan.draft || plan.mode == PlacementMode::pipeline) return Residency::one;
  return plan.mode == PlacementMode::resident ? Residency::both : Residency::exchanged;
}

/// What a process takes of its GPU's memory before its first tensor: its CUDA context, which the planner's margin
/// covers.
constexpr std::uint64_t own_bytes = 1ull << 30;

std::string pci_address(at::Device device) {
  return device.is_cpu() ? "" : cuda_view().gpus.at(static_cast<std::size_t>(device.index())).pci;
}

/// The limit of this process's tensors, and no more than other processes leave of the GPU.
std::uint64_t usable_memory(at::Device device) {
  const std::uint64_t limit = memory_limit(device);
  if (device.is_cpu()) return limit;
  const std::uint64_t total = cuda_view().gpus.at(static_cast<std::size_t>(device.index())).memory_bytes;
  const std::uint64_t usable = without_others(limit, total, free_memory(device.index()));
  if (usable < limit)
    spdlog::warn("other processes hold memory of {} {}: planning with {} instead of {} (nvidia-smi lists them)",
                 device_name(device), device.index(), gibibytes(usable), gibibytes(limit));
  return usable;
}

/// Throws environment when ranks have the same GPU: each would plan with all of its memory.
void check_own_gpus(const std::vector<RankResources>& resources) {
  std::map<std::pair<std::string, std::string>, std::vector<std::size_t>> ranks;
  for (std::size_t rank = 0; rank < resources.size(); ++rank)
    if (!resources[rank].gpu.empty()) ranks[{resources[rank].host, resources[rank].gpu}].push_back(rank);
  for (const auto& [gpu, sharing] : ranks)
    if (sharing.size() > 1)
      throw Error(
          Error::environment,
          fmt::format("ranks {} and {} on {} have the same GPU, {} at {}: start no more ranks on a node than it "
                      "has GPUs, or let them see more of them (CUDA_VISIBLE_DEVICES, Slurm's --gpus-per-node)",
                      sharing[0], sharing[1], gpu.first, resources[sharing[0]].device_name, gpu.second));
}

}  // namespace

RankResources resources_of(const Execution& execution, std::uint64_t gpu_memory) {
  if (gpu_memory > 0) limit_memory(execution.device, gpu_memory);
  const Node node = this_node();
  return {.host = node.host,
          .device_name = device_name(execution.device),
          .gpu = pci_address(execution.device),
          .memory_bytes = usable_memory(execution.device),
          .host_bytes = node.memory_bytes,
          .host_free = node.free_bytes,
          .threads = at::get_num_threads()};
}

std::uint64_t without_others(std::uint64_t limit, std::uint64_t total, std::uint64_t free) {
  const std::uint64_t taken = total - std::min(free, total);
  return taken <= own_bytes ? limit : std::min(limit, total - taken + own_bytes);
}

ClusterResources cluster_resources(const std::vector<RankResources>& resources) {
  ClusterResources ranks{{}, resources.front().device_name, ~0ull, ~0ull, resources.front().threads, ~0ull};
  std::vector<std::string> hosts;
  std::vector<std::vector<RankResources>> nodes;
  check_own_gpus(resources);
  for (const RankResources& each : resources) {
    check_alike(each, resources.front());
    const auto host = static_cast<std::size_t>(std::ranges::find(hosts, each.host) - hosts.begin());
    if (host == hosts.size()) hosts.push_back(each.host), ranks.on_node.push_back(0), nodes.emplace_back();
    ++ranks.on_node[host];
    nodes[host].push_back(each);
    if (slower(each.device_name, ranks.device_name)) ranks.device_name = each.device_name;
    ranks.memory_bytes = std::min(ranks.memory_bytes, each.memory_bytes);
    ranks.host_bytes = std::min(ranks.host_bytes, each.host_bytes);
    ranks.threads = std::min(ranks.threads, each.threads);
    ranks.host_free = std::min(ranks.host_free, each.host_free);
  }
  ranks.kinds = kinds_of(nodes);
  if (on_cpu(ranks.device_name)) {
    ranks.memory_bytes = ranks.host_bytes / static_cast<std::uint64_t>(std::ranges::max(ranks.on_node));
    for (AlikeRanks& kind : ranks.kinds) kind.memory_bytes = ranks.memory_bytes;
  }
  return ranks;
}

PlanRequest request_for(const ModelParts& parts, const std::vector<Job>& jobs, const Execution& base,
                        const PlanningOptions& options, const ClusterResources& ranks) {
  PlanRequest request{.hardware = {}, .model = parts, .jobs = jobs, .choices = options.choices, .execution = base};
  request.hardware.nodes = ranks.on_node;
  request.hardware.memory_bytes = ranks.memory_bytes;
  request.hardware.host_bytes = ranks.host_bytes;
  const auto figures = [&](const std::string& device_name, int threads) {
    GpuFigures gpu = chosen_figures(kind_of_device(device_name), threads, options.calibration);
    if (options.link_between_nodes > 0) gpu.world_rate = options.link_between_nodes;
    return gpu;
  };
  request.hardware.gpu = figures(ranks.device_name, ranks.threads);
  for (const AlikeRanks& kind : ranks.kinds)
    request.hardware.kinds.push_back({kind.count, kind.memory_bytes, figures(kind.device_name, kind.threads)});
  return request;
}

PlanResult plan_run(PlanRequest request, const ClusterResources& ranks) {
  if (request.choices.draft) request.choices.mode.reset(), request.choices.high_ranks = request.choices.low_ranks = 0;
  if (!on_cpu(ranks.device_name) && nccl_library().empty()) request.choices = without_shared_clips(request.choices);
  if (request.execution.device.is_cpu() && request.choices.text_on_cpu == false)
    throw Error(Error::input, "--text-device cuda: the run itself is on the CPU (--device)");
  check_guidance_degree(request);
  check_enough_ranks(request.choices, request.hardware.gpus());
  PlanResult result = make_plan(request);
  log_plan(result, request.hardware, ranks);
  return result;
}

Execution execution_for(const PlacementPlan& plan, Execution base) {
  base.residency = residency_of(plan);
  base.guidance = plan.guidance;
  base.streamed_blocks = plan.streamed_blocks;
  base.split_decode = plan.split_decode;
  base.offload_expert_for_decode = plan.offload_expert_for_decode;
  base.text_device = plan.text == TextPlace::cpu ? at::Device(at::kCPU) : base.device;
  // An encoder on the host takes no GPU memory, so it stays: loading it again would take long.
  base.keep_text_encoder = plan.text != TextPlace::upfront;
  return base;
}

Execution plan_alone(const ModelParts& parts, const std::vector<Job>& jobs, const Execution& base,
                     const PlanningOptions& options, std::uint64_t gpu_memory) {
  const ClusterResources alone = cluster_resources({resources_of(base, gpu_memory)});
  return execution_for(plan_run(request_for(parts, jobs, base, options, alone), alone).winner().plan, base);
}

}  // namespace wf
