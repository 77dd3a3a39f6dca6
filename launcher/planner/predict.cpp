#include "launcher/planner/predict.hpp"

#include <algorithm>

#include "launcher/planner/alike_groups.hpp"
#include "launcher/planner/dispatch_setup.hpp"

namespace wf {
namespace {

/// A list is simulated up to this many clips, or this many for each group, whichever is more.
constexpr std::size_t simulated_clips = 2048, simulated_clips_per_group = 16;

/// The clips that are simulated: all of a short list, or some that are spread evenly over a long one.
std::vector<Job> simulated_part(const std::vector<Job>& jobs, std::size_t groups) {
  const std::size_t clips = std::max(simulated_clips, groups * simulated_clips_per_group);
  if (jobs.size() <= clips) return jobs;
  std::vector<Job> some;
  for (std::size_t i = 0; i < clips; ++i) some.push_back(jobs[i * jobs.size() / clips]);
  return some;
}

/// Seconds of all stages of all clips, as if they ran one after the other in a group of kind 0.
double work_of(const std::vector<PlannedShape>& shapes, const SimulationSetup& setup) {
  double work = 0;
  for (const PlannedShape& shape : shapes) {
    const StageSeconds of_clip = setup.seconds(shape.job, 0);
    for (const Stage stage : all_stages) work += static_cast<double>(shape.clips) * seconds_in(of_clip, stage);
  }
  return work;
}

/// Sum over all groups of the seconds that they worked between two moments.
double busy_between(const std::vector<BusyInterval>& intervals, double begin, double end) {
  double busy = 0;
  for (const BusyInterval& interval : intervals)
    busy += std::max(0.0, std::min(interval.end, end) - std::max(interval.begin, begin));
  return busy;
}

/// Seconds that each group worked.
std::vector<double> busy_seconds(const std::vector<BusyInterval>& intervals, std::size_t groups) {
  std::vector<double> busy(groups);
  for (const BusyInterval& interval : intervals) busy[static_cast<std::size_t>(interval.group)] += interval.seconds();
  return busy;
}

/// Seconds of the clips that were not simulated. They are `more` times the work of the intervals and go on at the pace
/// of the middle half of the simulation.
double seconds_of_rest(const std::vector<BusyInterval>& intervals, double more) {
  if (more <= 0) return 0;
  const double end = intervals.back().end;
  const double groups_at_work = busy_between(intervals, end / 4, 3 * end / 4) / (end / 2);
  return more * busy_between(intervals, 0, end) / groups_at_work;
}

/// The plan's pools with the stages that their groups really computed, also after changes of role.
std::vector<Pool> pools_by_work(const PlacementPlan& plan, const std::vector<BusyInterval>& intervals) {
  std::vector<std::size_t> pool_of;
  for (std::size_t i = 0; i < plan.pools.size(); ++i)
    pool_of.insert(pool_of.end(), static_cast<std::size_t>(plan.pools[i].groups), i);
  std::vector<Pool> pools = plan.pools;
  for (const BusyInterval& interval : intervals) {
    std::vector<Stage>& stages = pools[pool_of[static_cast<std::size_t>(interval.group)]].stages;
    for (const Stage stage : all_stages)
      if (stage >= interval.first && stage <= interval.last && stage != Stage::write &&
          !std::ranges::count(stages, stage))
        stages.push_back(stage);
  }
  return pools;
}

/// `pools`: those of the plan, with the stages that count. Of the kinds of GPU in a pool the one that lacks most.
std::vector<RankMemory> memory_of(const PlanRequest& request, const std::vector<PlannedShape>& shapes,
                                  const PlacementPlan& plan, const std::vector<Pool>& pools) {
  std::vector<Job> jobs;
  for (const PlannedShape& shape : shapes) jobs.push_back(shape.job);
  std::vector<RankMemory> memory;
  for (std::size_t pool = 0; pool < pools.size(); ++pool) {
    std::vector<RankMemory> of_kinds;
    for (const AlikeGroups& each : alike_groups(request.hardware, plan, pool)) {
      of_kinds.push_back(rank_memory(request.model, plan, pools[pool], jobs, execution_of(request, each)));
      of_kinds.back().available = each.hardware.memory_bytes;
    }
    memory.push_back(*std::ranges::max_element(of_kinds, {}, &RankMemory::lack));
  }
  return memory;
}

/// `busy`: seconds that each group works on the whole list.
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

/// Of each group, the index of its entry.
std::vector<std::size_t> kinds_of(const std::vector<AlikeGroups>& alike) {
  std::vector<std::size_t> kinds;
  for (std::size_t i = 0; i < alike.size(); ++i) kinds.insert(kinds.end(), static_cast<std::size_t>(alike[i].count), i);
  return kinds;
}

/// The first clips begin when all groups have loaded their weights.
double slowest_start(const PlanRequest& request, const PlacementPlan& plan) {
  double slowest = 0;
  for (const AlikeGroups& each : alike_groups(request.hardware, plan))
    slowest = std::max(slowest, start_seconds(each.hardware, request.model, plan));
  return slowest;
}

}  // namespace

SimulationSetup simulation_setup(const PlanRequest& request, const PlacementPlan& plan) {
  std::vector<AlikeGroups> alike = alike_groups(request.hardware, plan);
  return {.groups = roles_at_start(plan),
          .dispatch = dispatch_options(request, plan),
          .seconds =
              [&, alike](const Job& job, std::size_t kind) {
                const PlannedShape shape = shapes_of({job}).front();
                return stage_seconds(alike.at(kind).hardware, request.model, plan, shape, request.execution);
              },
          .kinds = kinds_of(alike),
          .predicted = predicted_within(request, plan),
          .exchanges = exchanges_experts(plan.mode),
          .offload_expert_for_decode = plan.offload_expert_for_decode,
          .low_on_host = low_starts_on_host(request.hardware, plan),
          .start_seconds = slowest_start(request, plan)};
}

Prediction predict_memory(const PlanRequest& request, const std::vector<PlannedShape>& shapes,
                          const PlacementPlan& plan) {
  Prediction predicted;
  predicted.memory = memory_of(request, shapes, plan, plan.pools);
  const Hardware& hardware = request.hardware;
  for (const int ranks : hardware.nodes) {
    const std::uint64_t pinned = pinned_bytes(request.model, plan, request.execution, ranks);
    predicted.pinned_bytes += pinned;
    predicted.node_pinned_bytes = std::max(predicted.node_pinned_bytes, pinned);
  }
  return predicted;
}

Prediction predict(const PlanRequest& request, const std::vector<PlannedShape>& shapes, const PlacementPlan& plan) {
  const SimulationSetup setup = simulation_setup(request, plan);
  const std::vector<Job> jobs = simulated_part(request.jobs, setup.groups.size());
  const std::vector<BusyInterval> intervals = simulate(jobs, setup);
  const double more = work_of(shapes, setup) / work_of(shapes_of(jobs), setup) - 1;  // 0: all was simulated
  std::vector<double> busy = busy_seconds(intervals, setup.groups.size());
  for (double& group : busy) group *= 1 + more;

  Prediction predicted = predict_memory(request, shapes, plan);
  predicted.memory = memory_of(request, shapes, plan, pools_by_work(plan, intervals));
  predicted.start_seconds = setup.start_seconds;
  predicted.makespan = predicted.start_seconds + intervals.back().end + seconds_of_rest(intervals, more);
  add_times(predicted, plan, request.jobs.size(), busy);
  return predicted;
}

}  // namespace wf
