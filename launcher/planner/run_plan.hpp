// launcher/plan.hpp: the planner for a run: from what its processes have to how each of them works. A process alone is
// a run of one rank.
#pragma once

#include <string>
#include <vector>

#include "jobs/job.hpp"
#include "launcher/flags.hpp"
#include "launcher/planner/planner.hpp"
#include "launcher/rank_facts.hpp"
#include "pipeline/model_parts.hpp"

namespace wf {

/// Of this process. Makes --gpu-memory the limit of its GPU, so to be called before anything is loaded, on each rank.
RankFacts facts_of(const Execution& execution, const RunOptions& options);

/// What all of them have: where they differ, the least.
struct Ranks {
  std::vector<int> on_node = {1};  ///< ranks of each node
  std::string device_name = "cpu";
  std::uint64_t memory_bytes = 0;  ///< for a rank's tensors; of a CPU: its share of the node's memory
  std::uint64_t host_bytes = 0;    ///< memory of a node
  int threads = 1;
};

/// facts: of each rank. Throws environment where some compute on GPUs and others on CPUs.
Ranks ranks_of(const std::vector<RankFacts>& facts);

/// What the planner is asked for a run; its time and memory models take the same.
PlanRequest request_for(const ModelParts& parts, const std::vector<Job>& jobs, const Execution& base,
                        const RunOptions& options, const Ranks& ranks);

/// The placement that fits the largest of the request's jobs (not empty) and ends first, and all that were looked at.
/// Obeys the flags. On CPUs memory is no reason to refuse: where the estimate is more than there is, the plan that
/// takes least is returned, with a warning. Throws input when the flags cannot be obeyed (in a build without NCCL GPUs
/// share no clip), environment when no placement fits the GPUs, saying what is needed, what there is, and what would
/// help.
PlanResult plan_run(PlanRequest request, const RunOptions& options, const Ranks& ranks);

/// How a rank of that placement works: where experts and text encoder lie. All else stays as in `base`.
Execution execution_for(const PlacementPlan& plan, Execution base);

/// All of it for a process alone.
Execution plan_alone(const ModelParts& parts, const std::vector<Job>& jobs, const Execution& base,
                     const RunOptions& options);

}  // namespace wf
