#include "launcher/planner/dispatch_setup.hpp"

#include "launcher/planner/time_model.hpp"

namespace wf {
namespace {

constexpr double slower_from_file =
    10;  ///< How much longer an expert takes from its file than from host memory: estimated.
constexpr double changes_are_rare = 10;  ///< A group keeps a role for this many times the cost of changing it.

double exchange_seconds(const PlanRequest& request, const PlacementPlan& plan) {
  const PlannedShape shape = shapes_of({request.jobs.front()}).front();
  return stage_seconds(request.hardware, request.model, plan, shape, request.execution).exchange;
}

}  // namespace

std::vector<Role> roles_at_start(const PlacementPlan& plan) {
  std::vector<Role> roles;
  for (const Pool& pool : plan.pools) {
    const Role role = plan.mode == PlacementMode::phased || pool.name == "high" ? Role::high
                      : pool.name == "low"                                      ? Role::low
                                                                                : Role::resident;
    roles.insert(roles.end(), static_cast<std::size_t>(pool.groups), role);
  }
  return roles;
}

DispatchOptions dispatch_options(const PlanRequest& request, const PlacementPlan& plan) {
  DispatchOptions options;
  if (plan.mode == PlacementMode::pipeline) {
    options.light.text = plan.pool_of(Stage::text).name == "high" ? Role::high : Role::low;
    options.light.decode = plan.pool_of(Stage::decode).name == "high" ? Role::high : Role::low;
    options.change_seconds = slower_from_file * exchange_seconds(request, plan);
    options.least_seconds_in_role = changes_are_rare * options.change_seconds;
  }
  if (plan.mode == PlacementMode::phased) {
    options.stashed_per_group = plan.stashed;
    options.change_seconds = exchange_seconds(request, plan);
    options.least_seconds_in_role = 0;
  }
  options.stashed_in_total = stashed_in_total(request, plan);
  return options;
}

Predicted predicted_by(const PlanRequest& request, const PlacementPlan& plan) {
  return [request, plan](const Job& job, Stage stage) {
    const PlannedShape shape = shapes_of({job}).front();
    return seconds_in(stage_seconds(request.hardware, request.model, plan, shape, request.execution), stage);
  };
}

}  // namespace wf
