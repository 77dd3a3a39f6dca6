#include "launcher/planner/predict.hpp"

#include <algorithm>

#include "launcher/planner/schedule.hpp"

namespace wf {
namespace {

/// Exchanges of experts that a clip takes on average.
double exchanges(const PlacementPlan& plan, std::int64_t clips) {
  if (plan.mode == PlacementMode::phased) return 2.0 / plan.parked;
  if (plan.mode == PlacementMode::swap) return clips > plan.pools[0].groups ? 2 : 1;
  return 0;
}

/// One entry a shape: how long its clips keep a group of the pool busy.
std::vector<Works> works_of(const PlanRequest& request, const std::vector<ClipShape>& shapes, const PlacementPlan& plan,
                            const Pool& pool) {
  std::vector<Works> works;
  for (const ClipShape& shape : shapes) {
    const StageSeconds seconds = stage_seconds(request.hardware, request.model, plan, shape, request.execution);
    const auto clips = static_cast<std::int64_t>(request.jobs.size());
    Works each{seconds.transfer + exchanges(plan, clips) * seconds.exchange, shape.clips};
    for (const Stage stage : pool.stages) each.seconds += seconds_in(seconds, stage);
    works.push_back(each);
  }
  return works;
}

double shortest(const std::vector<Works>& works) { return std::ranges::min(works, {}, &Works::seconds).seconds; }

/// A pool cannot end before the other has handed it the last clip, nor begin before the first one.
double time_of(const std::vector<std::vector<Works>>& works, const std::vector<Pool>& pools) {
  if (pools.size() == 1) return makespan(works[0], pools[0].groups);
  double longest = 0;
  for (std::size_t i = 0; i < works[0].size(); ++i)
    longest = std::max(longest, works[0][i].seconds + works[1][i].seconds);
  return std::max({makespan(works[0], pools[0].groups) + shortest(works[1]),
                   makespan(works[1], pools[1].groups) + shortest(works[0]), longest});
}

}  // namespace

std::vector<RankMemory> memory_of(const PlanRequest& request, const std::vector<ClipShape>& shapes,
                                  const PlacementPlan& plan) {
  std::vector<Job> jobs;
  for (const ClipShape& shape : shapes) jobs.push_back(shape.job);
  std::vector<RankMemory> memory;
  for (const Pool& pool : plan.pools) memory.push_back(rank_memory(request.model, plan, pool, jobs, request.execution));
  return memory;
}

Prediction predict(const PlanRequest& request, const std::vector<ClipShape>& shapes, const PlacementPlan& plan) {
  std::vector<std::vector<Works>> works;
  for (const Pool& pool : plan.pools) works.push_back(works_of(request, shapes, plan, pool));
  const auto clips = static_cast<double>(request.jobs.size());
  Prediction predicted;
  predicted.start_seconds = start_seconds(request.hardware, request.model, plan);
  predicted.makespan = predicted.start_seconds + time_of(works, plan.pools);
  predicted.clips_per_hour = 3600 * clips / predicted.makespan;
  for (std::size_t i = 0; i < plan.pools.size(); ++i) {
    const double busy = total_seconds(works[i]);
    predicted.clip_seconds += busy / clips;
    predicted.use.push_back({plan.pools[i].name, busy / (plan.pools[i].groups * predicted.makespan)});
  }
  predicted.memory = memory_of(request, shapes, plan);
  const int decoding = plan.pool_of(Stage::decode).groups * plan.group_size();
  const int on_a_node = std::min(decoding, request.hardware.most_on_a_node());
  predicted.pinned_bytes = pinned_bytes(request.model, plan, request.execution, decoding);
  predicted.node_pinned_bytes = pinned_bytes(request.model, plan, request.execution, on_a_node);
  return predicted;
}

}  // namespace wf
