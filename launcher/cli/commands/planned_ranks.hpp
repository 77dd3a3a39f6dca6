// launcher/cli/commands/planned_ranks.hpp: ranks that need not be there, and a plan for them: what `plan` and `submit`
// share.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "jobs/job.hpp"
#include "launcher/options/run_options.hpp"
#include "launcher/planner/planner.hpp"

namespace wf {

/// The nodes that a plan is made for.
struct PlannedRanks {
  int per_node = 0;  ///< GPUs of each node; 0: those of this node. With gpu "cpu", processes that share its cores.
  int nodes = 1;
  std::string gpu = {};            ///< Kind of GPU, or "cpu"; "": this node's, h200 with per_node.
  std::uint64_t memory_bytes = 0;  ///< Of each GPU; 0: what the kind has.
};

/// The planner's request for these clips on these ranks; `run` gets the values of its hardware preset. Prints notes on
/// stderr. Throws what a run would throw that cannot compute so: Error(input), Error(environment).
PlanRequest plan_request(const ModelSource& list_model, std::vector<Job> jobs, const PlannedRanks& ranks,
                         RunOptions& run);

}  // namespace wf
