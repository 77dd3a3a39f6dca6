#include "jobs/schedule/step_cache.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <string>

#include "base/check.hpp"
#include "base/error.hpp"

namespace wf {
namespace {

bool is_guided(const Guidance& guidance, int step, int high_steps) {
  return (step < high_steps ? guidance.high : guidance.low).has_value();
}

/// Whether the interval has the step. Ends are compared as the f32 numbers that sigmas are, so that the sigma that a
/// user reads off a schedule is inside.
bool contains(const GuidanceInterval& interval, int step, float sigma) {
  if (!interval.by_sigma) return interval.from <= step + 1 && step + 1 <= interval.to;
  return static_cast<float>(interval.from) <= sigma && sigma <= static_cast<float>(interval.to);
}

/// The nearest of `from` for each of `count` steps that begin and end where those do; halves go to the even one.
std::vector<double> nearest(std::span<const double> from, int count) {
  const double scale = count > 1 ? static_cast<double>(from.size() - 1) / (count - 1) : 0;
  std::vector<double> ratios;
  for (int i = 0; i < count; ++i) ratios.push_back(from[static_cast<std::size_t>(std::nearbyint(i * scale))]);
  return ratios;
}

/// What the saved forwards since the last computed one come to.
class Accumulated {
 public:
  explicit Accumulated(const StepCacheRule& rule) : rule_(rule) {}

  /// Adds a step, and says whether its forward can be saved as well.
  bool allows(double ratio) {
    ratio_ *= ratio;
    error_ += std::abs(1 - ratio_);
    return error_ < rule_.error && ++saved_ <= rule_.most;
  }

 private:
  const StepCacheRule& rule_;
  double ratio_ = 1, error_ = 0;
  int saved_ = 0;
};

/// Whether the rule leaves a step out of account: it is the first of its expert, or within the share R of them.
bool is_kept(const StepCacheRule& rule, int step, int high_steps, int steps) {
  const int begin = step < high_steps ? 0 : high_steps, length = step < high_steps ? high_steps : steps - high_steps;
  return step == begin || step - begin < static_cast<int>(length * rule.kept);
}

}  // namespace

std::vector<int> unguided_steps(const Job& job, const StepLevels& levels) {
  std::vector<int> steps;
  if (!job.guidance_interval) return steps;
  for (int step = 0; step < levels.steps(); ++step)
    if (is_guided(job.guidance, step, levels.high_steps) &&
        !contains(*job.guidance_interval, step, levels.sigmas[static_cast<std::size_t>(step)]))
      steps.push_back(step);
  return steps;
}

std::vector<double> ratios_for(std::span<const double> table, int high_in_table, const StepLevels& levels) {
  const auto high = static_cast<std::size_t>(high_in_table);
  WF_CHECK(high_in_table >= 0 && high <= table.size());
  std::vector<double> ratios;
  const auto add = [&](std::span<const double> part, int steps, const char* expert) {
    if (steps > 0 && part.empty())
      throw Error(Error::input, std::string("the step cache table has no ratios for steps of the ") + expert +
                                    "-noise expert, of which this clip has " + std::to_string(steps));
    std::ranges::copy(nearest(part, steps), std::back_inserter(ratios));
  };
  add(table.first(high), levels.high_steps, "high");
  add(table.subspan(high), levels.steps() - levels.high_steps, "low");
  return ratios;
}

std::vector<int> saved_steps(const StepCacheRule& rule, std::span<const double> ratios, int high_steps,
                             const std::vector<bool>& has_forward) {
  WF_CHECK(ratios.size() == has_forward.size());
  const int steps = static_cast<int>(ratios.size());
  std::vector<int> saved;
  std::optional<Accumulated> since_computed;  // empty where the last step has no residual
  for (int step = 0; step < steps; ++step) {
    const auto i = static_cast<std::size_t>(step);
    if (!has_forward[i]) {
      since_computed.reset();
    } else if (since_computed && !is_kept(rule, step, high_steps, steps) && since_computed->allows(ratios[i])) {
      saved.push_back(step);
    } else {
      since_computed.emplace(rule);
    }
  }
  return saved;
}

SavedForwards saved_forwards(const Job& job, const StepLevels& levels, const StepCacheTable* table, int high_in_table) {
  SavedForwards saved{.conditional = {}, .unconditional = {}, .unguided = unguided_steps(job, levels)};
  if (!table) return saved;
  WF_CHECK(job.step_cache);
  std::vector<bool> guided;
  for (int step = 0; step < levels.steps(); ++step) guided.push_back(is_guided(job.guidance, step, levels.high_steps));
  for (const int step : saved.unguided) guided[static_cast<std::size_t>(step)] = false;
  const auto of_branch = [&](const std::vector<double>& ratios, const std::vector<bool>& has_forward) {
    return saved_steps(job.step_cache->rule, ratios_for(ratios, high_in_table, levels), levels.high_steps, has_forward);
  };
  saved.conditional = of_branch(table->conditional, std::vector<bool>(guided.size(), true));
  saved.unconditional = of_branch(table->unconditional, guided);
  return saved;
}

const StepCacheTable& published_step_cache_table() {
  static const std::vector<double> ratios{
      1.00,   1.00124, .99822, .99696, .99703, .9966,  .99602, .99578, .99484, .99633, .99659, .99534, .99584, .99681,
      .99563, .9944,   .99594, .99466, .99453, .99389, .99391, .99354, .99283, .99268, .99057, .99125, .65523, .98808,
      .98765, .9851,   .98311, .9805,  .97776, .97278, .96731, .95857, .94385, .92118, .88108, .80263};
  static const StepCacheTable table{ratios, ratios, 26};
  return table;
}

}  // namespace wf
