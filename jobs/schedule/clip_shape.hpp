// jobs/schedule/clip_shape.hpp: what makes two clips take the same time: they share a prediction, and a measurement.
#pragma once

#include <compare>
#include <cstddef>
#include <vector>

#include "jobs/job.hpp"

namespace wf {

/// The fields of a job that decide how long it takes. The solver and the shift count because they decide how many steps
/// fall to each expert, the guidance because a step of an expert that is not guided takes one forward instead of two.
struct ClipShape {
  int width = 0, height = 0;  ///< pixels
  int frames = 0;
  int steps = 0;
  double shift = 0;
  SolverKind solver = SolverKind::unipc;
  bool high_is_guided = true, low_is_guided = true;
  auto operator<=>(const ClipShape&) const = default;
};

ClipShape shape_of(const Job& job);

/// For each job, the index of the first job with the same shape: one number per shape. O(n log n).
std::vector<std::size_t> shape_groups(const std::vector<Job>& jobs);

}  // namespace wf
