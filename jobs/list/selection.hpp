// jobs/list/selection.hpp: the part of a list that --only and --limit select.
#pragma once

#include <string>
#include <vector>

#include "jobs/job.hpp"

namespace wf {

/// The selected jobs, in the list's order. `only`: comma-separated indices (3), ranges of indices (2-5) and names, with
/// * and ? as in a shell; empty selects all. `limit`: the number of jobs to keep, 0 for all. Throws Error(input) when
/// an item of `only` selects no job.
std::vector<Job> select(const std::vector<Job>& jobs, const std::string& only, int limit);

}  // namespace wf
