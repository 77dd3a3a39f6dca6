// jobs/schedule/clip_shape.hpp: which clips take the same time: they have one shape, and share a prediction and a
// measurement.
#pragma once

#include <cstddef>
#include <vector>

#include "jobs/job.hpp"

namespace wf {

/// For each job, the index of the first job with the same shape: one number per shape. Shape are the fields that decide
/// how long a clip takes: its size, frames and steps; solver and shift, because they decide how many steps fall to each
/// expert; whether each expert is guided, because a step takes one forward less where it is not; and the forwards that
/// are saved. O(n log n); nothing of a job is copied.
std::vector<std::size_t> shape_groups(const std::vector<Job>& jobs);

}  // namespace wf
