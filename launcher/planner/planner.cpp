#include "launcher/planner/planner.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

#include "base/check.hpp"
#include "base/error.hpp"
#include "base/text.hpp"
#include "launcher/planner/advice.hpp"
#include "launcher/planner/alike_groups.hpp"
#include "launcher/planner/candidates.hpp"
#include "launcher/planner/predict.hpp"
#include "parallel/device.hpp"

namespace wf {
namespace {

/// Splits into pools that are simulated, for each choice of degrees; where GPUs differ, every split is there in four
/// ways.
constexpr std::size_t simulated_splits = 4, simulated_mixed_splits = 12;

std::uint64_t host_room(const Hardware& hardware) {
  return static_cast<std::uint64_t>(usable_host_share * static_cast<double>(hardware.host_bytes));
}

/// The placement with its memory, without times.
Considered with_memory(const PlanRequest& request, const std::vector<PlannedShape>& shapes, const PlacementPlan& plan) {
  const Hardware& hardware = request.hardware;
  Considered considered{plan, predict_memory(request, shapes, plan)};
  considered.shortage = considered.fullest().shortage();
  const std::uint64_t pinned = considered.predicted.node_pinned_bytes, room = host_room(hardware);
  if (hardware.host_bytes > 0 && pinned > room) considered.host_shortage = pinned - room;
  return considered;
}

std::uint64_t shortage_of(const Considered& each) { return each.shortage + each.host_shortage; }

/// A placement that fits with all of its streamed blocks waiting, with the fewest of them that have to.
Considered with_fewest_streamed(const PlanRequest& request, const std::vector<PlannedShape>& shapes, Considered fits) {
  int too_few = 0;
  while (fits.plan.streamed_blocks - too_few > 1) {
    PlacementPlan fewer = fits.plan;
    fewer.streamed_blocks = (too_few + fits.plan.streamed_blocks) / 2;
    Considered each = with_memory(request, shapes, fewer);
    if (each.fits())
      fits = std::move(each);
    else
      too_few = fewer.streamed_blocks;
  }
  return fits;
}

/// Whether the low-noise expert can be loaded behind the first clip's high-noise steps. Experts with matrices in 8 bits
/// are not: their loading gives the GPU's memory back after each matrix, for which all other work there has to wait. To
/// ranks that hold both experts it comes through the host memory of their node.
bool can_load_behind(const PlanRequest& request, const PlacementPlan& plan) {
  const Hardware& hardware = request.hardware;
  const ModelParts& model = request.model;
  const bool in_8_bits = model.weights == WeightForm::fp8 || multiplies_in_fp8(model.precision);
  if (plan.draft || plan.mode == PlacementMode::pipeline || (in_8_bits && !request.execution.device.is_cpu()))
    return false;
  const bool through_host = plan.mode == PlacementMode::resident && hardware.most_on_a_node() > 1;
  return !through_host || hardware.host_bytes == 0 || expert_bytes(model) <= host_room(hardware);
}

/// A placement that loads the low-noise expert behind, if that can be and has room, too.
Considered with_load_behind(const PlanRequest& request, const std::vector<PlannedShape>& shapes, Considered before) {
  if (!can_load_behind(request, before.plan)) return before;
  PlacementPlan plan = before.plan;
  plan.loads_behind = true;
  Considered behind = with_memory(request, shapes, plan);
  return behind.fits() || shortage_of(behind) <= shortage_of(before) ? behind : before;
}

/// The first variant that fits, or else the one with the least shortage, without times.
Considered best_variant(const PlanRequest& request, const std::vector<PlannedShape>& shapes,
                        const PlacementPlan& plan) {
  std::optional<Considered> best;
  for (const PlacementPlan& variant : memory_variants(plan, request)) {
    Considered each = with_memory(request, shapes, variant);
    if (!best || shortage_of(each) < shortage_of(*best)) best = std::move(each);
    if (best->fits()) break;
  }
  return *std::move(best);
}

/// The same with its times.
Considered consider(const PlanRequest& request, const std::vector<PlannedShape>& shapes, const PlacementPlan& plan) {
  Considered best = best_variant(request, shapes, plan);
  if (best.fits() && !request.execution.device.is_cpu()) best = with_fewest_streamed(request, shapes, std::move(best));
  best = with_load_behind(request, shapes, std::move(best));
  best.predicted = predict(request, shapes, best.plan);
  return best;
}

bool better(const Considered& a, const Considered& b) {
  if (shortage_of(a) != shortage_of(b)) return shortage_of(a) < shortage_of(b);
  return a.predicted.makespan < b.predicted.makespan;
}

/// Seconds that a pool works on the list when no group changes its role. Groups of several kinds share the clips by
/// their speeds.
double seconds_of_pool(const PlanRequest& request, const std::vector<PlannedShape>& shapes, const PlacementPlan& plan,
                       std::size_t pool) {
  double lists_a_second = 0;
  for (const AlikeGroups& each : alike_groups(request.hardware, plan, pool)) {
    double seconds = 0;
    for (const PlannedShape& shape : shapes) {
      const StageSeconds clip = stage_seconds(each.hardware, request.model, plan, shape, request.execution);
      for (const Stage stage : plan.pools[pool].stages)
        seconds += static_cast<double>(shape.clips) * seconds_in(clip, stage);
    }
    if (each.count == plan.pools[pool].groups) return seconds / each.count;
    lists_a_second += each.count / seconds;
  }
  return 1 / lists_a_second;
}

double slower_pool(const PlanRequest& request, const std::vector<PlannedShape>& shapes, const PlacementPlan& plan) {
  double slowest = 0;
  for (std::size_t pool = 0; pool < plan.pools.size(); ++pool)
    slowest = std::max(slowest, seconds_of_pool(request, shapes, plan, pool));
  return slowest;
}

/// Where GPUs differ, so does what a split lacks: those that lack least come first.
void put_fitting_first(std::vector<PlacementPlan>& splits, const PlanRequest& request,
                       const std::vector<PlannedShape>& shapes) {
  if (request.hardware.kinds.empty()) return;
  std::vector<std::pair<std::uint64_t, PlacementPlan>> shortages;
  for (PlacementPlan& plan : splits)
    shortages.emplace_back(shortage_of(best_variant(request, shapes, plan)), std::move(plan));
  std::ranges::stable_sort(shortages, {}, &std::pair<std::uint64_t, PlacementPlan>::first);
  splits.clear();
  for (auto& [shortage, plan] : shortages) splits.push_back(std::move(plan));
}

/// Keeps the splits with the best balance between their pools, the best one first.
void keep_balanced(std::vector<PlacementPlan>& splits, const PlanRequest& request,
                   const std::vector<PlannedShape>& shapes) {
  if (splits.size() == 1) return;
  std::vector<std::pair<double, PlacementPlan>> balance;
  for (PlacementPlan& plan : splits) balance.emplace_back(slower_pool(request, shapes, plan), std::move(plan));
  std::ranges::stable_sort(balance, {}, &std::pair<double, PlacementPlan>::first);
  splits.clear();
  for (auto& [seconds, plan] : balance) splits.push_back(std::move(plan));
  put_fitting_first(splits, request, shapes);
  splits.resize(std::min(splits.size(), request.hardware.kinds.empty() ? simulated_splits : simulated_mixed_splits));
}

/// The best of placements that differ only in the sizes of their pools. Groups change roles where pools do not suit the
/// list, so many splits finish it at about the same time; the best balanced of those needs the fewest changes.
Considered best_split(const PlanRequest& request, const std::vector<PlannedShape>& shapes,
                      std::vector<PlacementPlan> splits) {
  keep_balanced(splits, request, shapes);
  std::vector<Considered> simulated;
  for (const PlacementPlan& plan : splits) simulated.push_back(consider(request, shapes, plan));
  const Considered& best = *std::ranges::min_element(simulated, better);
  const double bound = best.predicted.makespan * (1 + equally_fast);
  const auto as_good = [&](const Considered& each) {
    return shortage_of(each) == shortage_of(best) && each.predicted.makespan <= bound;
  };
  return *std::ranges::find_if(simulated, as_good);
}

/// The plans split into one list for each mode and choice of degrees, whose plans are next to each other.
std::vector<std::vector<PlacementPlan>> by_degrees(std::vector<PlacementPlan> plans) {
  std::vector<std::vector<PlacementPlan>> lists;
  for (PlacementPlan& plan : plans) {
    const bool same =
        !lists.empty() && lists.back().front().mode == plan.mode && lists.back().front().degrees == plan.degrees;
    if (!same) lists.emplace_back();
    lists.back().push_back(std::move(plan));
  }
  return lists;
}

/// Moves the winner to the front, as `equally_fast` in planner.hpp describes. `all` is sorted.
void choose(std::vector<Considered>& all) {
  const double bound = all.front().predicted.makespan * (1 + equally_fast);
  auto winner = all.begin();
  for (auto each = all.begin(); each != all.end() && each->fits(); ++each)
    if (each->predicted.makespan <= bound && each->plan.mode < winner->plan.mode) winner = each;
  std::rotate(all.begin(), winner, winner + 1);
}

std::string reason_for(const std::vector<Considered>& all) {
  const Considered& winner = all[0];
  if (all.size() == 1) return "nothing else was allowed";
  const Considered& second = all[1];
  if (!winner.fits()) return "nothing fits, and this lacks least";
  if (!second.fits())
    return fmt::format("nothing else fits: {} lacks {} {}", describe(second.plan), gibibytes(shortage_of(second)),
                       second.shortage > 0 ? "a rank" : "of host memory");
  const double ratio = second.predicted.makespan / winner.predicted.makespan - 1;
  if (ratio >= 0)
    return fmt::format("the list ends after {}; next is {} with {} ({:.1f} % more)",
                       duration_text(winner.predicted.makespan), describe(second.plan),
                       duration_text(second.predicted.makespan), 100 * ratio);
  const std::uint64_t mine = winner.predicted.pinned_bytes, its = second.predicted.pinned_bytes;
  const bool exchanges_less = exchanges_experts(second.plan.mode) && !exchanges_experts(winner.plan.mode);
  const std::string advantage = its > mine
                                    ? fmt::format("pins {} of host memory, not {}", gigabytes(mine), gigabytes(its))
                                : exchanges_less ? "exchanges no experts"
                                                 : "is simpler";
  return fmt::format("as fast as {} within the model's error ({:.1f} % slower; {:.0f} % count as equal), and {}",
                     describe(second.plan), 100 * (1 / (1 + ratio) - 1), 100 * equally_fast, advantage);
}

std::string parts_text(const RankMemory& memory) {
  std::string text;
  for (const MemoryPart& part : memory.parts)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", part.name, gibibytes(part.bytes));
  return text;
}

[[noreturn]] void throw_host_memory_short(const Considered& nearest, const Hardware& hardware) {
  throw Error(Error::environment,
              fmt::format("nothing fits: the nearest, {}, pins {} of host memory on a node, {} more than may be pinned "
                          "of its {}; what would fit: fewer ranks a node, or more memory there",
                          describe(nearest.plan), gibibytes(nearest.predicted.node_pinned_bytes),
                          gibibytes(nearest.host_shortage), gibibytes(hardware.host_bytes)));
}

[[noreturn]] void throw_nothing_fits(const Considered& nearest, const PlanRequest& request) {
  const Hardware& hardware = request.hardware;
  if (nearest.shortage == 0) throw_host_memory_short(nearest, hardware);
  const RankMemory& rank = nearest.fullest();
  throw Error(
      Error::environment,
      fmt::format("nothing fits GPUs of {}: the nearest, {}, needs {} for {} on a rank of pool {}, {} more than "
                  "there is ({}); what would fit: {}",
                  gibibytes(rank.available), describe(nearest.plan), gibibytes(rank.total()), to_string(rank.stage),
                  rank.pool, gibibytes(nearest.shortage), parts_text(rank), what_would_fit(nearest, request)));
}

/// Stashed clips that exist twice: a group of a pool prefetches its next clip while it computes, and the holder keeps
/// its own copy until then.
int copies_ahead(const PlacementPlan& plan) {
  if (plan.mode != PlacementMode::pipeline) return 0;
  return std::accumulate(plan.pools.begin(), plan.pools.end(), 0,
                         [](int groups, const Pool& pool) { return groups + pool.groups; });
}

}  // namespace

const RankMemory& Considered::fullest() const {
  return *std::ranges::max_element(predicted.memory, {}, &RankMemory::lack);
}

PlanResult make_plan(const PlanRequest& request) {
  WF_CHECK(!request.jobs.empty() && request.hardware.gpus() > 0);
  const std::vector<PlannedShape> shapes = shapes_of(request.jobs);
  std::vector<Considered> all;
  for (const std::vector<PlacementPlan>& splits : by_degrees(candidates(request)))
    all.push_back(best_split(request, shapes, splits));
  std::ranges::stable_sort(all, better);
  if (!all.front().fits() && !request.execution.device.is_cpu()) throw_nothing_fits(all.front(), request);
  choose(all);
  std::string reason = reason_for(all);
  return {std::move(all), std::move(reason)};
}

int stashed_in_total(const PlanRequest& request, const PlacementPlan& plan) {
  const Hardware& hardware = request.hardware;
  constexpr int any = std::numeric_limits<int>::max();
  if (hardware.host_bytes == 0) return any;
  const std::vector<PlannedShape> shapes = shapes_of(request.jobs);
  const Prediction predicted = predict_memory(request, shapes, plan);
  std::uint64_t taken = predicted.node_pinned_bytes, largest = 1;
  if (request.execution.device.is_cpu())
    for (const RankMemory& rank : predicted.memory)
      taken = std::max(taken, rank.total() * static_cast<std::uint64_t>(hardware.most_on_a_node()));
  for (const PlannedShape& shape : shapes) largest = std::max(largest, stashed_bytes(request.model, shape.job));
  const std::uint64_t room = host_room(hardware), left = room > taken ? room - taken : 0;
  const auto rooms = static_cast<std::int64_t>(left / largest * hardware.nodes.size());
  return static_cast<int>(std::clamp<std::int64_t>(rooms - copies_ahead(plan), 1, any));
}

}  // namespace wf
