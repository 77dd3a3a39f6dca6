// pipeline/denoise.hpp: from noise to latents, with one expert at a time.
#pragma once

#include <functional>
#include <vector>

#include "pipeline/execution.hpp"
#include "pipeline/model/dit.hpp"
#include "pipeline/solver.hpp"
#include "pipeline/types.hpp"

namespace wf {

/// The whole state of a clip between two steps: what passes from expert to expert, what is stored, what is continued.
struct Denoising {
  at::Tensor x;           ///< [16, t, h, w] f32: the sample of step `step`
  SolverState solver;     ///< of the same shape
  std::int64_t step = 0;  ///< steps done
};

/// The two texts of one clip.
struct TextPair {
  Embeddings prompt, negative;
};

/// Asked before every step with the number of steps done; false stops there, and the state so far is returned.
using StepGate = std::function<bool(std::int64_t step)>;

/// What stays the same over all steps of one expert.
struct Conditions {
  /// Two of batch 1 (conditional first), one of batch 2, or the one of this rank's half.
  std::vector<TextContext> contexts;
  at::Tensor rope;
};
/// x: any sample of the clip, for its size.
Conditions make_conditions(const at::Tensor& x, const TextPair& text, const DitWeights& expert,
                           const Execution& execution);

/// v_uncond + guidance (v_cond - v_uncond) at one timestep of x [16, t, h, w] f32: of the same shape and dtype. All
/// ranks of execution.ranks call, and all get it.
at::Tensor guided_velocity(const at::Tensor& x, std::int64_t timestep, double guidance, const Conditions& conditions,
                           const DitWeights& expert, const Execution& execution);

/// Goes on with `state` until `until` steps are done, by one expert.
/// The result depends on nothing but the arguments: stopping and continuing at any step gives the same bits.
Denoising denoise(Denoising state, const Schedule& schedule, std::int64_t until, const TextPair& text, double guidance,
                  const DitWeights& expert, const Execution& execution, const StepGate& gate = {});

/// The finished sample. Throws permanent when it holds a NaN or an infinity.
Latents latents(const Denoising& state);

}  // namespace wf
