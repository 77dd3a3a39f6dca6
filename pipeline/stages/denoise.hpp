// pipeline/stages/denoise.hpp: from noise to latents, by one expert at a time.
#pragma once

#include <functional>
#include <optional>

#include "pipeline/execution.hpp"
#include "pipeline/stages/solver.hpp"
#include "pipeline/stages/velocity.hpp"
#include "pipeline/types.hpp"

namespace wf {

/// The complete state of a clip between two steps: it is what passes from one expert to the other, and what a stopped
/// clip is stored as and continues from.
struct Denoising {
  at::Tensor x;           ///< [16, t, h, w] f32: the sample before step `step`
  SolverState solver;     ///< tensors of x's shape
  std::int64_t step = 0;  ///< number of steps done
};

/// Is called before every step with the state then, and with the last one from which denoising can be continued: it is
/// the same, unless the step reuses a residual, which is no part of a state. The tensors are never changed, so they may
/// be kept. Returning false stops denoising.
using StepGate = std::function<bool(const Denoising& state, const Denoising& resumable)>;

/// Continues `state` with one expert until `until` steps are done, and returns the state then, or the resumable one
/// when `gate` stops it. Where a clip is stopped and continued does not change a bit of the result. The forwards that
/// are saved are left out; neither the first step of an expert nor that of `state` may reuse a residual. Collective
/// over execution.ranks, whose gates must all give the same answers.
Denoising denoise(Denoising state, const Schedule& schedule, std::int64_t until, const TextPair& text,
                  std::optional<double> guidance, const SavedForwards& saved, const DitWeights& expert,
                  const Execution& execution, const StepGate& gate = {});

/// The sample after the last step, as the clip's latents. Throws permanent when it holds NaN or infinity.
Latents latents(const Denoising& state);

}  // namespace wf
