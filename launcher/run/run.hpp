// launcher/run.hpp: one run: a process alone, or one rank of many, from its flags to its exit code.
#pragma once

#include <functional>
#include <vector>

#include "cluster/files.hpp"
#include "jobs/job.hpp"
#include "launcher/flags.hpp"
#include "launcher/planner/planner.hpp"

namespace wf {

/// What is to be rendered.
struct RunRequest {
  std::vector<Job> jobs;
  Path model, output;
};
/// Reads it. Called on rank 0 alone: the others need not see the list.
using ReadRequest = std::function<RunRequest()>;
/// Hears before the first clip, on rank 0 alone, what was planned for, what was decided, and the machine of each rank.
using HearPlan =
    std::function<void(const PlanRequest& request, const PlacementPlan& plan, const std::vector<std::string>& hosts)>;

/// Renders what is not finished yet. A clip's error fails the clip, and the run goes on. An error of the disk or of the
/// machine ends the run (thrown) when the other clips at work are stored; a rank that dies, hangs or fails in the
/// middle of a shared stage ends all processes at once, named. Returns the exit code; of a rank other than 0 it is 0
/// when rank 0 is there to tell.
int run(const ReadRequest& read, RunOptions options, const HearPlan& hear = {});

}  // namespace wf
