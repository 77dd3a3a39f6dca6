// launcher/bench/timeline.hpp: times of stages and ranks from the trace of a run (base/trace.hpp). Pure functions.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "jobs/schedule/stage.hpp"
#include "launcher/run/groups.hpp"

namespace wf {

/// Times of a run, in seconds. Stages and steps are those of group leaders, so that each counts once.
struct Timeline {
  double loading = 0;  ///< From the ranks' common zero to the first stage.
  double loading_in_stages =
      0;            ///< Loading of weights inside stages that needed them, on the rank where it took longest.
  double list = 0;  ///< From the begin of the first stage to the end of the last, writing included.
  std::map<Stage, double> stage, step;  ///< Mean time without loading; a stage that did not occur is not there.
  std::vector<double> busy;             ///< For each group, the share of `list` that it spent in stages, 0..1.
  std::vector<std::uint64_t> peak;  ///< For each rank, the most bytes in tensors on its GPU in any stage; 0 on a CPU.
};

/// `trace` is the text of the whole file that a run of these groups wrote. Throws internal when it shows no stage.
Timeline timeline_of(const std::string& trace, const Groups& groups);

}  // namespace wf
