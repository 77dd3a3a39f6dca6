#include "launcher/planner/dispatch_setup.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "launcher/planner/alike_groups.hpp"
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

/// Index of PlacementPlan::pool_of().
std::size_t pool_with(const PlacementPlan& plan, Stage stage) {
  return static_cast<std::size_t>(&plan.pool_of(stage) - plan.pools.data());
}

/// The groups on whose GPUs the work of both pools does not fit, for what a group has loaded for one of them, such as
/// the VAE, stays in the other. On CPUs memory is an estimate and forbids nothing.
std::set<int> groups_that_keep_their_role(const PlanRequest& request, const PlacementPlan& plan) {
  if (plan.mode != PlacementMode::pipeline || request.execution.device.is_cpu()) return {};
  std::vector<Job> jobs;
  for (const PlannedShape& shape : shapes_of(request.jobs)) jobs.push_back(shape.job);
  std::set<int> groups;
  int group = 0;
  for (std::size_t pool = 0; pool < plan.pools.size(); ++pool) {
    Pool both = plan.pools[pool];
    const std::vector<Stage>& more = plan.pools[1 - pool].stages;
    both.stages.insert(both.stages.end(), more.begin(), more.end());
    for (const AlikeGroups& each : alike_groups(request.hardware, plan, pool)) {
      const std::uint64_t needed = rank_memory(request.model, plan, both, jobs, execution_of(request, each)).total();
      for (int i = 0; i < each.count; ++i, ++group)
        if (needed > each.hardware.memory_bytes) groups.insert(group);
    }
  }
  return groups;
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
    options.keep_their_role = groups_that_keep_their_role(request, plan);
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
  const auto kept = std::make_shared<const std::pair<PlanRequest, PlacementPlan>>(request, plan);
  return [kept, predicted = predicted_within(kept->first, kept->second)](const Job& job, Stage stage) {
    return predicted(job, stage);
  };
}

Predicted predicted_within(const PlanRequest& request, const PlacementPlan& plan) {
  std::map<Stage, std::vector<AlikeGroups>> groups;
  for (const Stage stage : all_stages) groups[stage] = alike_groups(request.hardware, plan, pool_with(plan, stage));
  return [&request, &plan, groups = std::move(groups)](const Job& job, Stage stage) {
    const PlannedShape shape = shapes_of({job}).front();
    double slowest = 0;
    for (const AlikeGroups& each : groups.at(stage)) {
      const StageSeconds clip = stage_seconds(each.hardware, request.model, plan, shape, request.execution);
      slowest = std::max(slowest, seconds_in(clip, stage));
    }
    return slowest;
  };
}

}  // namespace wf
