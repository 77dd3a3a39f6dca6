// launcher/farm/dispatch_setup.hpp: what Dispatch needs to know of a plan.
#pragma once

#include <vector>

#include "launcher/dispatch.hpp"
#include "launcher/planner/planner.hpp"

namespace wf {

/// The role of each group at the start. phased: all begin with the high-noise expert.
std::vector<Role> roles_at_start(const PlacementPlan& plan);

DispatchOptions dispatch_options(const PlanRequest& request, const PlacementPlan& plan);

/// The planner's own times. `request` and `plan` are copied.
Predicted predicted_by(const PlanRequest& request, const PlacementPlan& plan);

}  // namespace wf
