// launcher/planner/run_plan.hpp: the planner applied to a run: from the resources of its ranks to the execution of
// each. A process alone is a run of one rank.
#pragma once

#include <string>
#include <vector>

#include "jobs/job.hpp"
#include "launcher/planner/planner.hpp"
#include "launcher/planner/rank_resources.hpp"
#include "pipeline/experts/model_parts.hpp"

namespace wf {

/// The resources of this process. Every rank calls this before it loads anything, because it also makes `gpu_memory`
/// (bytes; 0: no limit) the limit of its GPU.
RankResources resources_of(const Execution& execution, std::uint64_t gpu_memory);

/// What a process can use of a GPU that others use as well, in bytes: `limit` of its own, less where the others leave
/// less of `total` than `free` and its own CUDA context.
std::uint64_t without_others(std::uint64_t limit, std::uint64_t total, std::uint64_t free);

/// The resources that every rank has: where ranks differ, the least of them, and each kind. Sizes are in bytes.
struct ClusterResources {
  std::vector<int> on_node = {1};  ///< Ranks on each node.
  std::string device_name = "cpu";
  std::uint64_t memory_bytes = 0;      ///< For a rank's tensors; on a CPU the rank's share of the node's memory.
  std::uint64_t host_bytes = 0;        ///< Memory of a node.
  int threads = 1;                     ///< Computing threads of each rank.
  std::uint64_t host_free = 0;         ///< What nobody has taken of the memory of a node; 0: unknown.
  std::vector<AlikeRanks> kinds = {};  ///< All ranks, node after node, where they differ; empty: they are alike.
};

/// Combines the resources of all ranks, given in rank order. Ranks are of one kind if their GPUs are, and the memory of
/// these differs by less than a tenth; on CPUs, if they have as many threads. Throws environment when some ranks
/// compute on GPUs and others on CPUs, or when two ranks have the same GPU.
ClusterResources cluster_resources(const std::vector<RankResources>& resources);

/// The planner's request for a run. Throws what chosen_figures() throws.
PlanRequest request_for(const ModelParts& parts, const std::vector<Job>& jobs, const Execution& base,
                        const PlanningOptions& options, const ClusterResources& ranks);

/// The placement that has room for the largest of the request's jobs and finishes first, with all that were considered.
/// Obeys the flags and logs the decision. On CPUs memory is no reason to refuse: when the estimate exceeds it, the plan
/// that needs least is returned, with a warning. Throws input when the flags cannot be obeyed (without NCCL in this
/// build GPUs cannot share a clip), and environment when no placement fits the GPUs, saying what is needed, what is
/// available, and what would help.
PlanResult plan_run(PlanRequest request, const ClusterResources& ranks);

/// How a rank executes the plan: where experts and text encoder are, and the guidance mode. The rest is as in `base`.
Execution execution_for(const PlacementPlan& plan, Execution base);

/// The execution of a process alone: all of the above in one call. Throws what plan_run() throws.
Execution plan_alone(const ModelParts& parts, const std::vector<Job>& jobs, const Execution& base,
                     const PlanningOptions& options, std::uint64_t gpu_memory);

}  // namespace wf
