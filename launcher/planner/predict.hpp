// launcher/planner/predict.hpp: what a placement would do with a list.
#pragma once

#include "launcher/planner/planner.hpp"
#include "launcher/planner/simulate.hpp"
#include "launcher/planner/time_model.hpp"

namespace wf {

/// Times, use of the pools and memory: the list is simulated, with Dispatch's own decisions. Of long lists a part is,
/// and the rest goes on at the pace that this part had in its middle. `shapes` are those of request.jobs.
Prediction predict(const PlanRequest& request, const std::vector<ClipShape>& shapes, const PlacementPlan& plan);

/// What is simulated. Refers to both.
Staging staging_of(const PlanRequest& request, const PlacementPlan& plan);

/// Memory alone, of groups that keep their roles. One that changes its role takes no more than the fullest of these.
Prediction predict_memory(const PlanRequest& request, const std::vector<ClipShape>& shapes, const PlacementPlan& plan);

}  // namespace wf
