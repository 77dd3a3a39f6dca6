// jobs/schedule/step_cache.hpp: which forwards of a clip are saved, by MagCache's rule and by the guidance interval.
// Known before the clip begins, so that plans, fingerprints and all ranks agree on it.
#pragma once

#include <span>
#include <vector>

#include "jobs/job.hpp"

namespace wf {

/// The steps of a clip's schedule: sigma before each, and how many belong to the high-noise expert. They come first.
struct StepLevels {
  std::span<const float> sigmas;
  int high_steps = 0;
  int steps() const { return static_cast<int>(sigmas.size()); }
};

/// The steps of guided experts outside of the job's guidance interval: v is v_cond there. None without an interval.
std::vector<int> unguided_steps(const Job& job, const StepLevels& levels);

/// The ratios of one branch for another schedule: of each step, that of the nearest step of the same expert. At the
/// change of experts the ratio jumps, so neither takes one from the other. The first `high_in_table` ratios of the
/// table are the high-noise expert's. Throws Error(input) when an expert has steps here and none in the table.
std::vector<double> ratios_for(std::span<const double> table, int high_in_table, const StepLevels& levels);

/// The steps of one branch whose forwards are saved. Source: MagCache (arXiv:2506.09045) and its published settings for
/// Wan 2.2. From a computed forward on, step i multiplies the accumulated ratio by ratios[i] and adds that product's
/// distance from 1 to the error; the forward is saved while the error is below E and no more than K are saved in a row.
/// Each expert begins anew, and computes its first step and the first int(steps * R) of its steps.
///
/// has_forward: whether the branch has a forward in a step at all. After steps without one, the next is computed, for
/// the last residual is too old.
std::vector<int> saved_steps(const StepCacheRule& rule, std::span<const double> ratios, int high_steps,
                             const std::vector<bool>& has_forward);

/// All of it for a job. `table` is null for a job without a step cache; high_in_table as in ratios_for().
SavedForwards saved_forwards(const Job& job, const StepLevels& levels, const StepCacheTable* table, int high_in_table);

/// The table that MagCache publishes for Wan 2.2 T2V-A14B at 40 steps and shift 12, of which the high-noise expert has
/// 26. It was measured on v_cond; that of v_uncond is within 0.003, and both branches have it here.
const StepCacheTable& published_step_cache_table();

}  // namespace wf
