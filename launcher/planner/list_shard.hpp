// launcher/planner/list_shard.hpp: divides a list into shards of about equal work.
#pragma once

#include <cstddef>
#include <vector>

#include "jobs/job.hpp"

namespace wf {

/// The predicted work of a clip, in seconds of an h200 alone. Depends on the job alone, and not on the machine, so that
/// whoever divides a list divides it alike; what a step cache saves, which the model decides, is left out.
double predicted_work(const Job& job);

/// The places in `jobs` of those of shard `number` (from 1) of `count`, in ascending order. The longest clips are dealt
/// out first, each to the shard that has least, so that no shard has more than 4/3 of what the best division would give
/// its largest. Throws Error(input) when there are fewer jobs than shards.
std::vector<std::size_t> places_in_shard(const std::vector<Job>& jobs, int number, int count);

/// The jobs of that shard.
std::vector<Job> jobs_of_shard(const std::vector<Job>& jobs, int number, int count);

}  // namespace wf
