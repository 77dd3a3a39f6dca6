// launcher/run/run.hpp: renders a list, as a process alone or as one rank of many: from typed options to the exit code.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "launcher/options/run_options.hpp"
#include "launcher/planner/planner.hpp"
#include "launcher/run/run_request.hpp"

namespace wf {

/// Called before the first clip, on rank 0 alone, with what was planned for, the plan, and the host name of each rank.
using PlanObserver =
    std::function<void(const PlanRequest& request, const PlacementPlan& plan, const std::vector<std::string>& hosts)>;

/// Renders the clips that are not finished yet; called on every rank. An error of a clip fails the clip, and the run
/// goes on. An error of the disk or the node ends the run (it is thrown) once the other clips at work are stored. A
/// rank that is lost, or fails in a stage that its group computes together, ends all processes at once, and is named.
/// Returns the exit code on rank 0, and 0 on the other ranks, since rank 0 is there to tell it.
int run(const ReadRequest& read, RunOptions options, const PlanObserver& on_plan = {});

}  // namespace wf
