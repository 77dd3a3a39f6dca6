// launcher/planner/simulate.hpp: simulates the rendering of a list. Which group does what next is decided by Dispatch,
// as in a real run, so the predicted order of work, waiting times and role changes are those of the run.
#pragma once

#include <functional>
#include <vector>

#include "jobs/schedule/dispatch.hpp"
#include "launcher/planner/time_model.hpp"

namespace wf {

/// The groups of a simulation and their times.
struct SimulationSetup {
  std::vector<Role> groups;       ///< Each group's first role. A resident group holds both experts, unless `exchanges`.
  DispatchOptions dispatch = {};  ///< Used as they are, but a simulated role change takes StageSeconds::exchange.
  /// Times of a clip, equal for clips of one shape, in groups of a kind: a number from 0 to that of the kinds.
  std::function<StageSeconds(const Job&, std::size_t kind)> seconds = {};
  std::vector<std::size_t> kinds = {};     ///< Each group's kind; empty: all are of kind 0.
  Predicted predicted = {};                ///< The times that Dispatch is told; empty: those of kind 0.
  bool exchanges = false;                  ///< A group keeps its unused expert in pinned host memory.
  bool offload_expert_for_decode = false;  ///< The expert moves to pinned host memory for decoding.
  bool low_on_host = false;  ///< Whether the low-noise expert is in pinned host memory before it is first used.
  double start_seconds = 0;  ///< Seconds before the first clip could begin, in which memory is being pinned.
};

/// Consecutive stages of one clip in one group.
struct BusyInterval {
  int group;
  std::size_t clip;  ///< Index into the jobs.
  Stage first, last;
  double begin, end;  ///< Seconds since the first clip could begin. Includes exchanges of experts between the stages.
  double seconds() const { return end - begin; }
};

/// Simulates all jobs from text to frames and returns the intervals in the order in which they end. Takes O(clips x
/// (log clips + log groups)).
std::vector<BusyInterval> simulate(const std::vector<Job>& jobs, const SimulationSetup& setup);

}  // namespace wf
