#include "launcher/planner/predict.hpp"

#include <algorithm>

#include "launcher/farm/dispatch_setup.hpp"

namespace wf {
namespace {

/// Of longer lists the larger of these is simulated.
constexpr std::size_t simulated_clips = 2048, simulated_clips_a_group = 16;

/// Spread evenly over the list; all of a short one.
std::vector<Job> simulated_part(const std::vector<Job>& jobs, std::size_t groups) {
  const std::size_t clips = std::max(simulated_clips, groups * simulated_clips_a_group);
  if (jobs.size() <= clips) return jobs;
  std::vector<Job> some;
  for (std::size_t i = 0; i < clips; ++i) some.push_back(jobs[i * jobs.size() / clips]);
  return some;
}

/// The stages of all clips, one after the other.
double work_of(const std::vector<ClipShape>& shapes, const Staging& staging) {
  double work = 0;
  for (const ClipShape& shape : shapes) {
    const StageSeconds of_clip = staging.seconds(shape.job);
    for (const Stage stage : all_stages) work += static_cast<double>(shape.clips) * seconds_in(of_clip, stage);
  }
  return work;
}

/// Seconds in which groups worked, all together, between two moments.
double busy_between(const std::vector<Stint>& stints, double begin, double end) {
  double busy = 0;
  for (const Stint& stint : stints) busy += std::max(0.0, std::min(stint.end, end) - std::max(stint.begin, begin));
  return busy;
}

/// By group.
std::vector<double> busy_seconds(const std::vector<Stint>& stints, std::size_t groups) {
  std::vector<double> busy(groups);
  for (const Stint& stint : stints) busy[static_cast<std::size_t>(stint.group)] += stint.seconds();
  return busy;
}

/// What is left takes `more` times the work of the stints, at the pace that they had in the middle half of their time.
double seconds_of_rest(const std::vector<Stint>& stints, double more) {
  if (more <= 0) return 0;
  const double end = stints.back().end;
  const double groups_at_work = busy_between(stints, end / 4, 3 * end / 4) / (end / 2);
  return more * busy_between(stints, 0, end) / groups_at_work;
}

/// Also what groups did that took another role.
std::vector<Pool> pools_by_work(const PlacementPlan& plan, const std::vector<Stint>& stints) {
  std::vector<std::size_t> pool_of;
  for (std::size_t i = 0; i < plan.pools.size(); ++i)
    pool_of.insert(pool_of.end(), static_cast<std::size_t>(plan.pools[i].groups), i);
  std::vector<Pool> pools = plan.pools;
  for (const Stint& stint : stints) {
    std::vector<Stage>& stages = pools[pool_of[static_cast<std::size_t>(stint.group)]].stages;
    for (const Stage stage : all_stages)
      if (stage >= stint.first && stage <= stint.last && stage != Stage::write && !std::ranges::count(stages, stage))
        stages.push_back(stage);
  }
  return pools;
}

std::vector<RankMemory> memory_of(const PlanRequest& request, const std::vector<ClipShape>& shapes,
                                  const PlacementPlan& plan, const std::vector<Pool>& pools) {
  std::vector<Job> jobs;
  for (const ClipShape& shape : shapes) jobs.push_back(shape.job);
  std::vector<RankMemory> memory;
  for (const Pool& pool : pools) memory.push_back(rank_memory(request.model, plan, pool, jobs, request.execution));
  return memory;
}

/// `busy` is by group, for the whole list.
void add_times(Prediction& predicted, const PlacementPlan& plan, std::size_t clips, const std::vector<double>& busy) {
  predicted.clips_per_hour = 3600 * static_cast<double>(clips) / predicted.makespan;
  auto group = busy.begin();
  for (const Pool& pool : plan.pools) {
    double seconds = 0;
    for (int i = 0; i < pool.groups; ++i) seconds += *group++;
    predicted.clip_seconds += seconds / static_cast<double>(clips);
    predicted.use.push_back({pool.name, std::min(seconds / (pool.groups * predicted.makespan), 1.0)});
  }
}

}  // namespace

Staging staging_of(const PlanRequest& request, const PlacementPlan& plan) {
  return {.groups = roles_at_start(plan),
          .dispatch = dispatch_options(request, plan),
          .seconds =
              [&](const Job& job) {
                const ClipShape shape = shapes_of({job}).front();
                return stage_seconds(request.hardware, request.model, plan, shape, request.execution);
              },
          .exchanges = plan.mode == PlacementMode::phased || plan.mode == PlacementMode::swap,
          .expert_leaves = plan.expert_leaves,
          .low_on_host = low_starts_on_host(request.hardware, plan)};
}

Prediction predict_memory(const PlanRequest& request, const std::vector<ClipShape>& shapes, const PlacementPlan& plan) {
  Prediction predicted;
  predicted.memory = memory_of(request, shapes, plan, plan.pools);
  const Hardware& hardware = request.hardware;
  predicted.pinned_bytes = pinned_bytes(request.model, plan, request.execution, hardware.gpus());
  predicted.node_pinned_bytes = pinned_bytes(request.model, plan, request.execution, hardware.most_on_a_node());
  return predicted;
}

Prediction predict(const PlanRequest& request, const std::vector<ClipShape>& shapes, const PlacementPlan& plan) {
  const Staging staging = staging_of(request, plan);
  const std::vector<Job> jobs = simulated_part(request.jobs, staging.groups.size());
  const std::vector<Stint> stints = simulate(jobs, staging);
  const double more = work_of(shapes, staging) / work_of(shapes_of(jobs), staging) - 1;  // 0: nothing was left out
  std::vector<double> busy = busy_seconds(stints, staging.groups.size());
  for (double& group : busy) group *= 1 + more;

  Prediction predicted = predict_memory(request, shapes, plan);
  predicted.memory = memory_of(request, shapes, plan, pools_by_work(plan, stints));
  predicted.start_seconds = start_seconds(request.hardware, request.model, plan);
  predicted.makespan = predicted.start_seconds + stints.back().end + seconds_of_rest(stints, more);
  add_times(predicted, plan, request.jobs.size(), busy);
  return predicted;
}

}  // namespace wf
