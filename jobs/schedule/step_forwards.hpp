// jobs/schedule/step_forwards.hpp: which forwards each step of a clip computes, once a step cache and a guidance
// interval have saved theirs.
#pragma once

#include <cstdint>
#include <vector>

#include "jobs/job.hpp"

namespace wf {

/// The forwards that one step computes, by guidance branch.
struct StepForwards {
  bool conditional = true, unconditional = false;
  int count() const { return (conditional ? 1 : 0) + (unconditional ? 1 : 0); }
  /// Forwards that follow one another: all of them, or where each of two branches has ranks of its own those of the
  /// branch with more of them.
  int in_a_row(int branches) const { return branches == 2 ? (count() > 0 ? 1 : 0) : count(); }
  bool operator==(const StepForwards&) const = default;
};

/// Of every step of the job's clip, the first `high_steps` (0 to job.steps) of which are the high-noise expert's.
std::vector<StepForwards> forwards_by_step(const Job& job, std::int64_t high_steps);

}  // namespace wf
