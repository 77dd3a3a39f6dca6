// launcher/run/rank_main.hpp: what every rank does in a run that has begun: it joins its group, loads its models, and
// computes.
#pragma once

#include <string>
#include <vector>

#include "cluster/world.hpp"
#include "launcher/run/groups.hpp"
#include "launcher/run/handshake.hpp"

namespace wf {

/// What a rank brings into a run. All that is referred to outlives the run.
struct RankContext {
  const Execution& base;  ///< how this rank computes, but for what the plan decides
  const RunOptions& options;
  const std::vector<std::string>& hosts;  ///< name of each rank's node, as in World::hosts()
  World* world;                           ///< null: the process is alone
  RankAgent& agent;
};

/// Does all of this rank's computing, from loading its part of the model until its group is told that no work is left.
/// Throws what goes wrong with this rank or its group.
void compute(const JoinedRun& joined, const Groups& groups, const RankContext& rank);

/// The part of every rank but 0; returns when no work is left. Throws as compute() does.
void follow_run(const JoinedRun& joined, const RankContext& rank);

}  // namespace wf
