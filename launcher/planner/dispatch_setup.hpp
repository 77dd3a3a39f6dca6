// launcher/planner/dispatch_setup.hpp: what Dispatch (jobs/schedule/dispatch.hpp) needs from a plan.
#pragma once

#include <vector>

#include "jobs/schedule/dispatch.hpp"
#include "launcher/planner/planner.hpp"

namespace wf {

/// The role of each group at the start of the run. In `phased` all groups begin with the high-noise expert.
std::vector<Role> roles_at_start(const PlacementPlan& plan);

/// Limits of stashed clips and costs of role changes, in seconds, for this plan.
DispatchOptions dispatch_options(const PlanRequest& request, const PlacementPlan& plan);

/// The planner's time for a stage of a job, in seconds: of the slowest group among those that begin with a role for the
/// stage. The function holds copies of `request` and `plan`.
Predicted predicted_by(const PlanRequest& request, const PlacementPlan& plan);
/// The same function, which refers to `request` and `plan`: they have to outlive it.
Predicted predicted_within(const PlanRequest& request, const PlacementPlan& plan);

}  // namespace wf
