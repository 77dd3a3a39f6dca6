// launcher/planner/predict.hpp: times, utilisation and memory that a placement is expected to have with a list.
#pragma once

#include "launcher/planner/planner.hpp"
#include "launcher/planner/simulate.hpp"
#include "launcher/planner/time_model.hpp"

namespace wf {

/// Predicts times, utilisation and memory by simulating the list with the decisions of Dispatch. Only an evenly spread
/// part of a long list is simulated, and the rest is assumed to go on at the pace of the middle of that part. `shapes`
/// are those of request.jobs.
Prediction predict(const PlanRequest& request, const std::vector<PlannedShape>& shapes, const PlacementPlan& plan);

/// The setup of that simulation. It refers to `request` and `plan`, which have to outlive it.
SimulationSetup simulation_setup(const PlanRequest& request, const PlacementPlan& plan);

/// Predicts memory only, for groups that keep their roles. A group that changes its role needs no more than the fullest
/// of these.
Prediction predict_memory(const PlanRequest& request, const std::vector<PlannedShape>& shapes,
                          const PlacementPlan& plan);

}  // namespace wf
