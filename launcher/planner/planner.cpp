#include "launcher/planner/planner.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cassert>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

#include "cluster/error.hpp"
#include "launcher/display.hpp"
#include "launcher/planner/candidates.hpp"
#include "launcher/planner/predict.hpp"
#include "parallel/device.hpp"

namespace wf {
namespace {

constexpr std::size_t looked_at_splits = 4;  ///< into pools, of each mode and its degrees

std::uint64_t shortage_of(const std::vector<RankMemory>& ranks, std::uint64_t available) {
  std::uint64_t most = 0;
  for (const RankMemory& rank : ranks) most = std::max(most, rank.total());
  return most > available ? most - available : 0;
}

std::uint64_t host_room(const Hardware& hardware) {
  return static_cast<std::uint64_t>(usable_host_share * static_cast<double>(hardware.host_bytes));
}

/// Its memory alone.
Considered look_at(const PlanRequest& request, const std::vector<ClipShape>& shapes, const PlacementPlan& plan) {
  const Hardware& hardware = request.hardware;
  Considered looked{plan, predict_memory(request, shapes, plan)};
  looked.shortage = shortage_of(looked.predicted.memory, hardware.memory_bytes);
  const std::uint64_t pinned = looked.predicted.node_pinned_bytes, room = host_room(hardware);
  if (hardware.host_bytes > 0 && pinned > room) looked.host_shortage = pinned - room;
  return looked;
}

std::uint64_t lacks(const Considered& each) { return each.shortage + each.host_shortage; }

/// The first variant that fits, else the one that lacks least.
Considered consider(const PlanRequest& request, const std::vector<ClipShape>& shapes, const PlacementPlan& plan) {
  std::optional<Considered> best;
  for (const PlacementPlan& variant : memory_variants(plan, request)) {
    Considered each = look_at(request, shapes, variant);
    if (!best || lacks(each) < lacks(*best)) best = std::move(each);
    if (best->fits()) break;
  }
  best->predicted = predict(request, shapes, best->plan);
  return *std::move(best);
}

bool better(const Considered& a, const Considered& b) {
  if (lacks(a) != lacks(b)) return lacks(a) < lacks(b);
  return a.predicted.makespan < b.predicted.makespan;
}

/// How long the slower pool works on the list if no group changes its role.
double slower_pool(const PlanRequest& request, const std::vector<ClipShape>& shapes, const PlacementPlan& plan) {
  double slowest = 0;
  for (const Pool& pool : plan.pools) {
    double seconds = 0;
    for (const ClipShape& shape : shapes) {
      const StageSeconds clip = stage_seconds(request.hardware, request.model, plan, shape, request.execution);
      for (const Stage stage : pool.stages) seconds += static_cast<double>(shape.clips) * seconds_in(clip, stage);
    }
    slowest = std::max(slowest, seconds / pool.groups);
  }
  return slowest;
}

/// The best balanced come first.
void keep_balanced(std::vector<PlacementPlan>& splits, const PlanRequest& request,
                   const std::vector<ClipShape>& shapes) {
  if (splits.size() == 1) return;
  std::vector<std::pair<double, PlacementPlan>> balance;
  for (PlacementPlan& plan : splits) balance.emplace_back(slower_pool(request, shapes, plan), std::move(plan));
  std::ranges::stable_sort(balance, {}, &std::pair<double, PlacementPlan>::first);
  splits.clear();
  for (auto& [seconds, plan] : balance)
    if (splits.size() < looked_at_splits) splits.push_back(std::move(plan));
}

/// Of placements that differ in the sizes of their pools alone. Groups change their roles where pools do not fit the
/// list, so that many splits end it at about the same time: the best balanced of those needs the fewest changes.
Considered best_split(const PlanRequest& request, const std::vector<ClipShape>& shapes,
                      std::vector<PlacementPlan> splits) {
  keep_balanced(splits, request, shapes);
  std::vector<Considered> looked;
  for (const PlacementPlan& plan : splits) looked.push_back(consider(request, shapes, plan));
  const Considered& best = *std::ranges::min_element(looked, better);
  const double bound = best.predicted.makespan * (1 + equally_fast);
  const auto as_good = [&](const Considered& each) {
    return lacks(each) == lacks(best) && each.predicted.makespan <= bound;
  };
  return *std::ranges::find_if(looked, as_good);
}

/// One list for each mode and its degrees.
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

/// Puts the winner in front (planner.hpp, equally_fast). `all` is sorted, and its first one fits.
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
    return fmt::format("nothing else fits: {} lacks {} {}", describe(second.plan), gibibytes(lacks(second)),
                       second.shortage > 0 ? "a rank" : "of host memory");
  const double ratio = second.predicted.makespan / winner.predicted.makespan - 1;
  if (ratio >= 0)
    return fmt::format("the list ends after {}; next is {} with {} ({:.1f} % more)",
                       duration_text(winner.predicted.makespan), describe(second.plan),
                       duration_text(second.predicted.makespan), 100 * ratio);
  const std::uint64_t mine = winner.predicted.pinned_bytes, its = second.predicted.pinned_bytes;
  const std::string advantage =
      its > mine ? fmt::format("pins {} of host memory, not {}", gigabytes(mine), gigabytes(its)) : "is simpler";
  return fmt::format("as fast as {} within the model's error ({:.1f} % slower; {:.0f} % count as equal), and {}",
                     describe(second.plan), 100 * (1 / (1 + ratio) - 1), 100 * equally_fast, advantage);
}

std::string parts_in_words(const RankMemory& memory) {
  std::string words;
  for (const MemoryPart& part : memory.parts)
    words += fmt::format("{}{} {}", words.empty() ? "" : ", ", part.name, gibibytes(part.bytes));
  return words;
}

[[noreturn]] void hosts_too_small(const Considered& nearest, const Hardware& hardware) {
  throw Error(Error::environment,
              fmt::format("nothing fits: the nearest, {}, pins {} of host memory on a node, {} more than may be pinned "
                          "of its {}; what would fit: fewer ranks a node, or more memory there",
                          describe(nearest.plan), gibibytes(nearest.predicted.node_pinned_bytes),
                          gibibytes(nearest.host_shortage), gibibytes(hardware.host_bytes)));
}

[[noreturn]] void nothing_fits(const Considered& nearest, const Hardware& hardware) {
  if (nearest.shortage == 0) hosts_too_small(nearest, hardware);
  const std::uint64_t available = hardware.memory_bytes;
  const RankMemory& rank = nearest.fullest();
  std::uint64_t weights = margin_bytes;
  for (const MemoryPart& part : rank.parts)
    if (part.name.ends_with("expert") || part.name.ends_with("experts") || part.name == "VAE") weights += part.bytes;
  const std::string smaller = weights > available ? "a smaller clip does not help: the weights alone are too much"
                                                  : "or a smaller --size, or degrees that cut the clip finer";
  throw Error(
      Error::environment,
      fmt::format("nothing fits GPUs of {}: the nearest, {}, needs {} for {} on a rank of pool {}, {} more than "
                  "there is ({}); what would fit: GPUs of {} (--gpu-memory {}), {}",
                  gibibytes(available), describe(nearest.plan), gibibytes(rank.total()), to_string(rank.stage),
                  rank.pool, gibibytes(nearest.shortage), parts_in_words(rank), gibibytes(rank.total()),
                  (rank.total() >> 30) + 1, smaller));
}

/// Of parked clips: a group of a pool fetches its next one while it computes, and the holder keeps it until then.
int copies_ahead(const PlacementPlan& plan) {
  if (plan.mode != PlacementMode::pipeline) return 0;
  return std::accumulate(plan.pools.begin(), plan.pools.end(), 0,
                         [](int groups, const Pool& pool) { return groups + pool.groups; });
}

}  // namespace

const RankMemory& Considered::fullest() const {
  return *std::ranges::max_element(predicted.memory, {}, &RankMemory::total);
}

PlanResult make_plan(const PlanRequest& request) {
  assert(!request.jobs.empty() && request.hardware.gpus() > 0);
  const std::vector<ClipShape> shapes = shapes_of(request.jobs);
  std::vector<Considered> all;
  for (const std::vector<PlacementPlan>& splits : by_degrees(candidates(request)))
    all.push_back(best_split(request, shapes, splits));
  std::ranges::stable_sort(all, better);
  if (!all.front().fits() && !request.execution.device.is_cpu()) nothing_fits(all.front(), request.hardware);
  choose(all);
  std::string reason = reason_for(all);
  return {std::move(all), std::move(reason)};
}

int parked_in_total(const PlanRequest& request, const PlacementPlan& plan) {
  const Hardware& hardware = request.hardware;
  constexpr int any = std::numeric_limits<int>::max();
  if (hardware.host_bytes == 0) return any;
  const std::vector<ClipShape> shapes = shapes_of(request.jobs);
  const Prediction predicted = predict_memory(request, shapes, plan);
  std::uint64_t taken = predicted.node_pinned_bytes, largest = 1;
  if (request.execution.device.is_cpu())
    for (const RankMemory& rank : predicted.memory)
      taken = std::max(taken, rank.total() * static_cast<std::uint64_t>(hardware.most_on_a_node()));
  for (const ClipShape& shape : shapes) largest = std::max(largest, parked_bytes(request.model, shape.job));
  const std::uint64_t room = host_room(hardware), left = room > taken ? room - taken : 0;
  const auto rooms = static_cast<std::int64_t>(left / largest * hardware.nodes.size());
  return static_cast<int>(std::clamp<std::int64_t>(rooms - copies_ahead(plan), 1, any));
}

}  // namespace wf
