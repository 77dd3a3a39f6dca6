// launcher/bench/timeline.hpp: what the trace of a run (cluster/trace.hpp) says of its stages. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "launcher/farm/groups.hpp"
#include "pipeline/stage.hpp"

namespace wf {

/// Seconds. Stages and steps are those of the groups' leaders, so that each counts once.
struct Timeline {
  double loading = 0;                   ///< from the ranks' common zero to the first stage
  double loading_in_stages = 0;         ///< weights that were loaded only when a stage needed them, of the slowest rank
  double list = 0;                      ///< from the begin of the first stage to the end of the last, writing included
  std::map<Stage, double> stage, step;  ///< means, of a stage without such loading; none: there was none
  std::vector<double> busy;             ///< of each group: the share of the list in which it was in a stage
  std::vector<std::uint64_t> peak;      ///< of each rank: most bytes in tensors in a stage; 0 on a CPU
};

/// trace: the whole file of a run of these groups. Throws internal when no clip passed a stage in it.
Timeline timeline_of(const std::string& trace, const Groups& groups);

}  // namespace wf
