// launcher/planner/simulate.hpp: renders a list on a simulated clock. The Dispatch that a run uses decides which group
// does what next, so a prediction has the order of work, the waiting and the changes of role of the run.
#pragma once

#include <functional>
#include <vector>

#include "jobs/schedule/dispatch.hpp"
#include "launcher/planner/time_model.hpp"

namespace wf {

/// The groups of a simulation and their times.
struct SimulationSetup {
  std::vector<Role> groups;  ///< Roles at the start. A resident group holds both experts, unless `exchanges` is set.
  DispatchOptions dispatch = {};  ///< Options of Dispatch. A simulated change of role takes StageSeconds::exchange.
  std::function<StageSeconds(const Job&)> seconds = {};  ///< Times of a clip; the same for clips of one shape.
  bool exchanges = false;                                ///< An expert that is not in use is in pinned host memory.
  bool offload_expert_for_decode = false;                ///< Decoding moves the expert to pinned host memory.
  bool low_on_host = false;  ///< The low-noise expert is in pinned host memory at the start.
};

/// Consecutive stages of one clip in one group.
struct BusyInterval {
  int group;
  std::size_t clip;  ///< Index into the jobs.
  Stage first, last;
  double begin, end;  ///< Seconds since the first clip could begin. Includes exchanges of experts between the stages.
  double seconds() const { return end - begin; }
};

/// Renders all jobs from text to frames; the intervals are in the order in which they end. Runs in O(clips x (log clips
/// + log groups)).
std::vector<BusyInterval> simulate(const std::vector<Job>& jobs, const SimulationSetup& setup);

}  // namespace wf
