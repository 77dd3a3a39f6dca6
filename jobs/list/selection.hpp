// launcher/selection.hpp: --only and --limit: a part of a list.
#pragma once

#include <string>
#include <vector>

#include "jobs/job.hpp"

namespace wf {

/// `only`: comma-separated places in the list (3), ranges (2-5) and names, with * and ? as in a shell; empty: all.
/// `limit`: at most so many; 0: no limit. Throws input when an item selects nothing.
std::vector<Job> select(const std::vector<Job>& jobs, const std::string& only, int limit);

}  // namespace wf
