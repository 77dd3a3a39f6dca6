// launcher/run/rank_main.hpp: what a rank does in a run that has begun: it joins its group, loads its models, and
// computes; rank 0 coordinates as well.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cluster/world.hpp"
#include "launcher/run/handshake.hpp"
#include "launcher/run/results.hpp"

namespace wf {

/// What a rank brings into a run. All that is referred to outlives the run.
struct RankContext {
  const Execution& base;  ///< how this rank computes, but for what the plan decides
  const RunOptions& options;
  const std::vector<std::string>& hosts;  ///< name of each rank's node, as in World::hosts()
  World* world;                           ///< null: the process is alone
  RankAgent& agent;
};

struct Outcome {
  Summary summary;
  std::optional<Error> fatal;  ///< the error of the disk or the node that ended the run
};

/// Rank 0's part: computes with its group, and coordinates all groups on a thread of its own. Throws what goes wrong
/// with this rank or its group; telling the other ranks is left to the caller.
Outcome lead_run(LedRun& led, const RankContext& rank);

/// The part of every other rank; returns when no work is left. Throws as lead_run() does.
void follow_run(const JoinedRun& joined, const RankContext& rank);

}  // namespace wf
