// launcher/run/lead_run.hpp: what rank 0 does in a run that has begun: it keeps the records, coordinates all groups,
// and computes with its own group.
#pragma once

#include <optional>

#include "launcher/run/rank_main.hpp"
#include "launcher/run/results.hpp"

namespace wf {

struct Outcome {
  Summary summary;
  std::optional<Error> fatal;  ///< the error of the disk or the node that ended the run

  int exit_code() const { return fatal ? wf::exit_code(fatal->kind()) : wf::exit_code(summary); }
};

/// Returns when the run is over. Throws what goes wrong with this rank or its group; telling the other ranks is left to
/// the caller.
Outcome lead_run(LedRun& led, const RankContext& rank);

}  // namespace wf
