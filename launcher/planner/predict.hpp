// launcher/planner/predict.hpp: what a placement would do with a list.
#pragma once

#include "launcher/planner/planner.hpp"
#include "launcher/planner/time_model.hpp"

namespace wf {

/// Times, use of the pools and memory. `shapes` are those of request.jobs.
Prediction predict(const PlanRequest& request, const std::vector<ClipShape>& shapes, const PlacementPlan& plan);

/// Memory alone: the ranks of each pool.
std::vector<RankMemory> memory_of(const PlanRequest& request, const std::vector<ClipShape>& shapes,
                                  const PlacementPlan& plan);

}  // namespace wf
