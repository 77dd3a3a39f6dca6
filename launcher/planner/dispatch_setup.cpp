#include "launcher/farm/dispatch_setup.hpp"

#include "launcher/planner/time_model.hpp"

namespace wf {
namespace {

constexpr double slower_from_file = 10;  ///< an expert from its file, against one from host memory: estimated
constexpr double changes_are_rare = 10;  ///< a role is kept for so many times what its change takes

double exchange_seconds(const PlanRequest& request, const PlacementPlan& plan) {
  const ClipShape shape = shapes_of({request.jobs.front()}).front();
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
    options.parked_per_group = plan.parked;
    options.change_seconds = exchange_seconds(request, plan);
    options.least_seconds_in_role = 0;
  }
  options.parked_in_total = parked_in_total(request, plan);
  return options;
}

Predicted predicted_by(const PlanRequest& request, const PlacementPlan& plan) {
  return [request, plan](const Job& job, Stage stage) {
    const ClipShape shape = shapes_of({job}).front();
    return seconds_in(stage_seconds(request.hardware, request.model, plan, shape, request.execution), stage);
  };
}

}  // namespace wf
