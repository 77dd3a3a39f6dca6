// launcher/farm/take_part.hpp: a rank's part in a run that has begun: its group, its models, its work.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "launcher/farm/start.hpp"
#include "launcher/results.hpp"
#include "parallel/world.hpp"

namespace wf {

/// What a rank brings.
struct Member {
  const Execution& base;
  const RunOptions& options;
  const std::vector<std::string>& hosts;  ///< of all ranks
  World* world;                           ///< none: a process alone
  Courier& courier;
};

/// Rank 0: works like the others, and hands out the clips.
struct Outcome {
  Summary summary;
  std::optional<Error> fatal;  ///< of the disk or the machine: what ended the run
};
Outcome lead_run(LedRun& led, const Member& member);

/// Until nothing is left to do. Both throw what goes wrong with a group or with this rank: then the others have to be
/// told.
void follow_run(const JoinedRun& joined, const Member& member);

}  // namespace wf
