// launcher/planner/simulate.hpp: a list on a simulated clock. The Dispatch of a run says which group does what next, so
// that a prediction has the run's order of work, its waiting, and its changes of roles.
#pragma once

#include <functional>
#include <vector>

#include "launcher/dispatch.hpp"
#include "launcher/planner/time_model.hpp"

namespace wf {

/// What groups have, and how long they take.
struct Staging {
  std::vector<Role> groups;       ///< at the start; resident ones that do not exchange hold both experts
  DispatchOptions dispatch = {};  ///< what Dispatch counts with: a change of role takes seconds().exchange
  std::function<StageSeconds(const Job&)> seconds = {};  ///< of a clip; one shape, one answer
  bool exchanges = false;      ///< an expert that makes room for the other one goes to pinned host memory
  bool expert_leaves = false;  ///< it goes there for decoding
  bool low_on_host = false;    ///< the low-noise expert is there at the start
};

/// What a group does in a row.
struct Stint {
  int group;
  std::size_t clip;  ///< an index into the jobs
  Stage first, last;
  double begin, end;  ///< seconds since the first clip could be begun; exchanges of experts within it included
  double seconds() const { return end - begin; }
};

/// All clips, from text to frames, in the order in which stints end. Takes O(clips x (log clips + log groups)).
std::vector<Stint> simulate(const std::vector<Job>& jobs, const Staging& staging);

}  // namespace wf
