// launcher/cli/commands/planned_ranks.hpp: ranks that need not be there, and a plan for them: what `plan` and `submit`
// share.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "jobs/job.hpp"
#include "launcher/options/run_options.hpp"
#include "launcher/planner/run_plan.hpp"

namespace wf {

/// Nodes of one kind, of a cluster that has several kinds.
struct PlannedKind {
  int per_node = 1;
  std::string gpu;
};

/// The nodes that a plan is made for.
struct PlannedRanks {
  int per_node = 0;      ///< GPUs of each node; 0: those of this node. With gpu "cpu", processes that share its cores.
  std::string gpu = {};  ///< Kind of GPU, or "cpu"; "": this node's, h200 with per_node.
  std::uint64_t memory_bytes = 0;       ///< Of each GPU; 0: what the kind has.
  std::vector<PlannedKind> kinds = {};  ///< Several kinds, in place of `per_node` and `gpu`.
  std::vector<int> nodes = {1};         ///< Number of them: one, or one for each of `kinds`.
};

/// The GPUs that were found on this node, each of that name and memory; with `planned.gpu` as many of that kind, which
/// have what such a GPU has.
ClusterResources found_ranks(const PlannedRanks& planned, int gpus, const std::string& name, std::uint64_t memory);

/// What --gpu-memory leaves of a GPU: at most what it has, as in a run. A generic GPU has what the flag says.
std::uint64_t limited_memory(const std::string& device_name, std::uint64_t memory, std::uint64_t limit);

/// Reads "8", GPUs of each node, or "4xh100+8xl40s", those of nodes of several kinds. Throws input.
void set_gpus(PlannedRanks& ranks, const std::string& text);

/// Reads "2", or "2+4" nodes of each kind. Throws input.
void set_nodes(PlannedRanks& ranks, const std::string& text);

/// The planner's request for these clips on these ranks; `run` gets the values of its hardware preset. Prints notes on
/// stderr. Throws what a run would throw that cannot compute so: Error(input), Error(environment).
PlanRequest plan_request(const ModelSource& list_model, std::vector<Job> jobs, const PlannedRanks& ranks,
                         RunOptions& run);

}  // namespace wf
