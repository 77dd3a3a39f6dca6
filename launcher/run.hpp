// launcher/run.hpp: a whole run of jobs, from a checked list to an exit code. What render and generate have in common.
#pragma once

#include <vector>

#include "jobs/job.hpp"
#include "launcher/flags.hpp"

namespace wf {

/// Renders the jobs into `output` with the checkpoint `model`, or shows what that would mean (--dry-run). Nothing is
/// written before all that can be checked is checked. Returns the exit code; throws Error.
int run_jobs(std::vector<Job> jobs, const Path& model, const Path& output, const RunOptions& options);

}  // namespace wf
