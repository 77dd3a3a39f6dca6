// pipeline/stages/denoise.hpp: from noise to latents, by one expert at a time.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "pipeline/execution.hpp"
#include "pipeline/model/dit.hpp"
#include "pipeline/stages/solver.hpp"
#include "pipeline/types.hpp"

namespace wf {

/// The complete state of a clip between two steps: it is what passes from one expert to the other, and what a stopped
/// clip is stored as and continues from.
struct Denoising {
  at::Tensor x;           ///< [16, t, h, w] f32: the sample before step `step`
  SolverState solver;     ///< tensors of x's shape
  std::int64_t step = 0;  ///< number of steps done
};

/// The embeddings of a clip's prompt (conditional branch) and negative prompt (unconditional branch). The latter is
/// undefined where no expert is guided.
struct TextPair {
  Embeddings prompt, negative;
};

/// Is called before every step with the state then; its tensors are never changed, so they may be kept. Returning false
/// stops denoising there.
using StepGate = std::function<bool(const Denoising& state)>;

/// The inputs of the expert that are the same in all of its steps, computed once.
struct Conditions {
  /// One context per forward of a step. With guidance: two of batch 1 (the conditional one first), or one of batch 2,
  /// or, where the group's ranks split the guidance branches, the one of batch 1 of this rank's branch. Without: the
  /// conditional one of batch 1, on every rank.
  std::vector<TextContext> contexts;
  at::Tensor rope;                 ///< rope_table() of the clip's token grid
  std::optional<double> guidance;  ///< the expert's scale
};
/// Computes them on the expert's device. x [16, t, h, w] is any sample of the clip; only its shape is used. Without
/// guidance text.negative is not read.
Conditions make_conditions(const at::Tensor& x, const TextPair& text, std::optional<double> guidance,
                           const DitWeights& expert, const Execution& execution);

/// The velocity at one timestep: v_cond, and under classifier-free guidance v_uncond + guidance (v_cond - v_uncond). x
/// is [16, t, h, w] f32, and so is the result. Collective over execution.ranks: every rank passes the same arguments.
/// All get the same result, but that without guidance two branches which cut the sequence differently compute the same
/// velocity twice, each with its own last bits.
at::Tensor velocity_at(const at::Tensor& x, double timestep, const Conditions& conditions, const DitWeights& expert,
                       const Execution& execution);

/// Continues `state` with one expert until `until` steps are done or `gate` stops it, and returns the state then. Where
/// a clip is stopped and continued does not change a bit of the result. Collective over execution.ranks, whose gates
/// must all give the same answers.
Denoising denoise(Denoising state, const Schedule& schedule, std::int64_t until, const TextPair& text,
                  std::optional<double> guidance, const DitWeights& expert, const Execution& execution,
                  const StepGate& gate = {});

/// The sample after the last step, as the clip's latents. Throws permanent when it holds NaN or infinity.
Latents latents(const Denoising& state);

}  // namespace wf
