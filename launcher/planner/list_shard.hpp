// launcher/planner/list_shard.hpp: divides a list into shards of about equal work.
#pragma once

#include <vector>

#include "jobs/job.hpp"

namespace wf {

/// The predicted work of a clip, in seconds of an h200 alone. Depends on the job alone, and not on the machine, so that
/// whoever divides a list divides it alike; what a step cache saves, which the model decides, is left out.
double predicted_work(const Job& job);

/// The jobs of shard `number` (from 1) of `count`, in the list's order. The longest clips are dealt out first, each to
/// the shard that has least, so that no shard has more than 4/3 of what the best division would give its largest.
/// Throws Error(input) when there are fewer jobs than shards.
std::vector<Job> jobs_of_shard(const std::vector<Job>& jobs, int number, int count);

}  // namespace wf
