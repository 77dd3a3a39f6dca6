#include "launcher/planner/candidates.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "base/error.hpp"
#include "launcher/planner/alike_groups.hpp"
#include "launcher/planner/time_model.hpp"

namespace wf {
namespace {

constexpr int most_stashed = 16;  ///< Most clips that a group of `phased` stashes between the experts.

bool allowed(int forced, int degree) { return forced == 0 || forced == degree; }

/// Whether any step of the list computes two forwards, which two guidance branches could share.
bool any_step_has_two_forwards(const PlanRequest& request) {
  const auto has_two = [](const StepForwards& step) { return step.count() == 2; };
  return std::ranges::any_of(shapes_of(request.jobs), [&](const PlannedShape& shape) {
    return std::ranges::any_of(request.choices.draft ? shape.forwards_of(Expert::high) : shape.forwards, has_two);
  });
}

/// Degrees of groups that use all GPUs, as far as the flags allow them.
std::vector<Degrees> all_degrees(const PlanRequest& request) {
  const PlacementChoices& choices = request.choices;
  const int gpus = request.hardware.gpus(), branches = any_step_has_two_forwards(request) ? 2 : 1;
  std::vector<Degrees> all;
  for (int size = 1; size <= gpus; ++size) {
    if (gpus % size != 0) continue;
    for (int guidance = 1; guidance <= branches; ++guidance) {
      if (size % guidance != 0 || !allowed(choices.guidance, guidance)) continue;
      const int sequence = size / guidance;
      for (int ring = 1; ring <= sequence; ++ring) {
        const Degrees degrees{guidance, sequence / ring, ring};
        if (sequence % ring == 0 && degrees.ulysses <= request.model.expert.num_heads && allowed(choices.ring, ring) &&
            allowed(choices.ulysses, degrees.ulysses))
          all.push_back(degrees);
      }
    }
  }
  return all;
}

/// The share of a list's forwards that the high-noise expert does. Those that are saved do not count.
double high_share(const std::vector<Job>& jobs) {
  double high = 0, all = 0;
  for (const PlannedShape& shape : shapes_of(jobs)) {
    const double work = static_cast<double>(shape.clips) * static_cast<double>(shape.tokens);
    high += work * static_cast<double>(shape.high_forwards());
    all += work * static_cast<double>(shape.high_forwards() + shape.low_forwards());
  }
  return high / all;
}

/// The possible numbers of groups in the high-noise pool.
std::vector<int> splits(int groups, int group_size, const PlacementChoices& choices) {
  std::vector<int> all;
  for (int high = 1; high < groups; ++high)
    if (allowed(choices.high_ranks, high * group_size) && allowed(choices.low_ranks, (groups - high) * group_size))
      all.push_back(high);
  return all;
}

std::vector<Pool> two_pools(int high, int low, bool low_decodes) {
  if (low_decodes) return {{"high", {Stage::high}, high}, {"low", {Stage::text, Stage::low, Stage::decode}, low}};
  return {{"high", {Stage::text, Stage::high, Stage::decode}, high}, {"low", {Stage::low}, low}};
}

/// The pools of a split. Text and decoding go to the pool with less to do; where GPUs differ, to either, and either
/// comes first.
std::vector<std::vector<Pool>> ways_to_split(const Hardware& hardware, int high, int low, double share) {
  if (hardware.kinds.empty()) return {two_pools(high, low, (1 - share) / low <= share / high)};
  std::vector<std::vector<Pool>> ways;
  for (const bool low_decodes : {true, false}) {
    ways.push_back(two_pools(high, low, low_decodes));
    ways.push_back(two_pools(high, low, low_decodes));
    std::ranges::reverse(ways.back());
  }
  return ways;
}

/// A draft needs the high-noise expert alone: every group holds it, and there is nothing to exchange.
PlacementPlan draft_plan(PlacementPlan plan, int groups) {
  plan.mode = PlacementMode::resident;
  plan.draft = true;
  plan.pools = {{"all", {Stage::text, Stage::high, Stage::decode}, groups}};
  return plan;
}

void add_modes(std::vector<PlacementPlan>& plans, const PlanRequest& request, const Degrees& degrees, double share) {
  PlacementPlan base;
  base.degrees = degrees;
  base.precision = request.model.precision;
  const int groups = request.hardware.gpus() / base.group_size();
  if (request.choices.draft) return plans.push_back(draft_plan(base, groups));
  const auto per_group = static_cast<int>((static_cast<std::int64_t>(request.jobs.size()) + groups - 1) / groups);
  const bool pools_forced = request.choices.high_ranks > 0 || request.choices.low_ranks > 0;
  for (const PlacementMode mode : {PlacementMode::resident, PlacementMode::pipeline, PlacementMode::phased,
                                   PlacementMode::swap, PlacementMode::stream}) {
    if (request.choices.mode.value_or(mode) != mode) continue;
    if (mode == PlacementMode::stream && request.execution.device.is_cpu() && !request.choices.mode)
      continue;  // its blocks would travel within one memory
    PlacementPlan plan = base;
    plan.mode = mode;
    if (mode == PlacementMode::phased) plan.stashed = std::min(per_group, most_stashed);
    if (mode == PlacementMode::phased && plan.stashed < 2 && !request.choices.mode) continue;  // same as swap
    if (mode == PlacementMode::pipeline) {
      for (const int high : splits(groups, base.group_size(), request.choices)) {
        for (std::vector<Pool>& pools : ways_to_split(request.hardware, high, groups - high, share)) {
          plan.pools = std::move(pools);
          plans.push_back(plan);
        }
      }
    } else if (!pools_forced) {
      plan.pools = {{"all", {Stage::text, Stage::high, Stage::low, Stage::decode}, groups}};
      plans.push_back(plan);
    }
  }
}

/// Throws input that says which flags cannot be obeyed.
[[noreturn]] void refuse(const PlanRequest& request, bool no_degrees) {
  const PlacementChoices& c = request.choices;
  const int gpus = request.hardware.gpus();
  const std::string all =
      fmt::format("{} {}{}", gpus, request.execution.device.is_cpu() ? "rank" : "GPU", gpus == 1 ? "" : "s");
  const std::int64_t heads = request.model.expert.num_heads;
  const int least = std::max(c.guidance, 1) * std::max(c.ulysses, 1) * std::max(c.ring, 1);
  const auto input = [](const std::string& text) { return Error(Error::input, text); };
  if (c.guidance > 2) throw input(fmt::format("--cfg-parallel {}: a step has two forwards", c.guidance));
  if (c.ulysses > heads)
    throw input(fmt::format("--ulysses {}: the experts have {} heads, and a rank needs one", c.ulysses, heads));
  if (no_degrees)
    throw input(
        fmt::format("{}: groups of {} (or of a multiple) do not fill {} without a rest", describe(c), least, all));
  if (c.mode && *c.mode != PlacementMode::pipeline)
    throw input(fmt::format("--high-ranks and --low-ranks are for --placement pipeline, not {}", to_string(*c.mode)));
  if (c.high_ranks > 0 || c.low_ranks > 0) {
    const int high = c.high_ranks > 0 ? c.high_ranks : gpus - c.low_ranks;
    const int low = c.low_ranks > 0 ? c.low_ranks : gpus - c.high_ranks;
    throw input(fmt::format("--high-ranks {} and --low-ranks {}: two pools of groups of {} have to make up {}", high,
                            low, least, all));
  }
  throw input(fmt::format("--placement pipeline needs two groups at least, but of {} there can be {} on {}", least,
                          gpus / least, all));
}

/// The guidance modes of a placement, the preferred one first. Where forwards of all clips are saved none is batched.
std::vector<GuidanceMode> guidance_modes_of(const PlacementPlan& plan, const PlanRequest& request) {
  const bool any_can_batch = std::ranges::any_of(request.jobs, [](const Job& job) { return !job.saved.any(); });
  const GuidanceMode asked = request.execution.guidance;
  if (asked == GuidanceMode::automatic && !any_can_batch) return {GuidanceMode::two};
  return guidance_modes(asked, plan.degrees, !request.execution.device.is_cpu());
}

/// The most blocks that wait in host memory; the planner leaves on the GPU what fits. On a CPU, where nothing is
/// gained, half of them wait.
int most_streamed(const PlacementPlan& plan, const PlanRequest& request) {
  if (plan.mode != PlacementMode::stream) return 0;
  const auto blocks = static_cast<int>(request.model.expert.num_layers);
  return request.execution.device.is_cpu() ? (blocks + 1) / 2 : blocks;
}

}  // namespace

void check_guidance_degree(const PlanRequest& request) {
  if (request.choices.guidance != 2 || any_step_has_two_forwards(request)) return;
  const bool is_saved = std::ranges::any_of(request.jobs, [](const Job& job) { return job.saved.any(); });
  const char* const why = is_saved ? "of both forwards of a step, one is always saved (step cache, guidance interval)"
                                   : "no clip of the list is guided";
  throw Error(Error::input, fmt::format("--cfg-parallel 2: {}, so that a step has one forward, which cannot be split "
                                        "by guidance (--ulysses splits it)",
                                        why));
}

std::vector<PlacementPlan> candidates(const PlanRequest& request) {
  check_guidance_degree(request);
  const double share = high_share(request.jobs);
  const std::vector<Degrees> degrees = all_degrees(request);
  std::vector<PlacementPlan> plans, mixed;
  for (const Degrees& each : degrees) {
    const int size = each.guidance * each.ulysses * each.ring;
    add_modes(any_group_mixes_kinds(request.hardware, size) ? mixed : plans, request, each, share);
  }
  if (plans.empty() && mixed.empty()) refuse(request, degrees.empty());
  plans.insert(plans.end(), mixed.begin(), mixed.end());
  return plans;
}

std::vector<PlacementPlan> memory_variants(const PlacementPlan& plan, const PlanRequest& request) {
  const bool cpu = request.execution.device.is_cpu();
  const bool exchanges = exchanges_experts(plan.mode);
  const std::optional<bool> text_on_cpu = cpu ? std::nullopt : request.choices.text_on_cpu;
  std::vector<PlacementPlan> variants;
  for (const TextPlace text : {TextPlace::resident, TextPlace::upfront, TextPlace::cpu}) {
    if (text_on_cpu && *text_on_cpu != (text == TextPlace::cpu)) continue;
    if (cpu ? text == TextPlace::cpu : text == TextPlace::resident && exchanges) continue;
    for (const bool offload : {false, true}) {
      if (offload && (cpu || (plan.mode == PlacementMode::resident && !plan.draft))) continue;
      for (const GuidanceMode guidance : guidance_modes_of(plan, request)) {
        variants.push_back(plan);
        variants.back().text = text;
        variants.back().split_decode = request.choices.split_decode && plan.group_size() > 1;
        variants.back().offload_expert_for_decode = offload;
        variants.back().guidance = guidance;
        variants.back().streamed_blocks = most_streamed(plan, request);
      }
    }
  }
  // Offloading an expert, or embedding texts on the host, comes last: it is for clips that fit in no other way.
  std::ranges::stable_sort(variants, {}, [](const PlacementPlan& p) {
    return (p.text == TextPlace::cpu ? 2 : 0) + (p.offload_expert_for_decode ? 1 : 0);
  });
  return variants;
}

}  // namespace wf
