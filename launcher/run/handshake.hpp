// launcher/run/handshake.hpp: how the ranks begin a run together. Every rank sends what its node has (Hello); rank 0
// reads the list, plans, and sends the whole run (Start); every rank makes sure that it sees the same output folder and
// the same checkpoint (Ready); then all begin (Begin), or none does (Refused).
#pragma once

#include <memory>
#include <optional>

#include "cluster/world.hpp"
#include "jobs/output/publish.hpp"
#include "launcher/options/run_options.hpp"
#include "launcher/planner/run_plan.hpp"
#include "launcher/run/earlier_runs.hpp"
#include "launcher/run/earlier_starts.hpp"
#include "launcher/run/rank_agent.hpp"
#include "launcher/run/run_request.hpp"
#include "launcher/run/run_spec.hpp"

namespace wf {

/// A run that begins, as every rank knows it.
struct JoinedRun {
  RunSpec run;
  ModelParts parts;
};

/// What rank 0 knows in addition.
struct LedRun : JoinedRun {
  EarlierStarts starts;               ///< what earlier starts of this command tell
  EarlierRuns earlier;                ///< what earlier runs left of the clips in run.finished
  std::vector<RankResources> ranks;   ///< what each rank has
  PlanRequest request;                ///< what the plan was made for
  std::unique_ptr<RunFolder> folder;  ///< holds the lock on the output folder
};

/// How a rank computes, but for what the plan decides, and what it has. With a problem, the rank cannot take part.
struct RankStart {
  Execution base;
  RankResources resources;
  std::optional<Error> problem;
};
/// Looks at this rank's device. Sets what own_share() does in the options. Never throws: what is wrong becomes the
/// problem.
RankStart start_of_rank(RunOptions& options, const NodePlace& place);

/// Rank 0's side. Throws what is wrong with the list, the model, the folder or another rank (Error(environment) that
/// names the rank); the other ranks have then been told that there is no run.
/// own: what this rank computes with, or why it cannot compute.
LedRun start_run(const ReadRequest& read, const RankStart& own, const RunOptions& options, RankAgent& agent);

/// The side of every other rank. Empty when there is no run.
std::optional<JoinedRun> join_run(const RankStart& own, const RunOptions& options, RankAgent& agent);

}  // namespace wf
