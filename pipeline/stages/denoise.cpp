#include "pipeline/stages/denoise.hpp"

#include <ATen/ATen.h>

#include <utility>

#include "base/error.hpp"
#include "pipeline/experts/model_parts.hpp"

namespace wf {
namespace {

/// The velocity fields of a clip's steps, one after another: with products of 8-bit numbers, or exact ones.
class VelocityFields {
 public:
  VelocityFields(Conditions conditions, const DitWeights& expert, const Execution& execution)
      : conditions_(std::move(conditions)), expert_(expert), execution_(execution) {}

  /// The field of a step of a clip of `steps` steps. Replaces a field of other products, so that the memory of one at
  /// most is in use.
  VelocityField& of(std::int64_t step, std::int64_t steps) {
    const bool exact = computes_in_8_bits(execution_) && is_exact_step(execution_, step, steps);
    if (field_ && exact == is_exact_) return *field_;
    field_.reset();
    is_exact_ = exact;
    return exact ? make_exact() : field_.emplace(conditions_, expert_, execution_);
  }

 private:
  VelocityField& make_exact() {
    Execution execution = exactly(execution_);
    execution.attention = execution_.attention.exactly();
    return field_.emplace(conditions_, with_exact_products(expert_), std::move(execution));
  }

  Conditions conditions_;
  const DitWeights& expert_;
  const Execution& execution_;
  std::optional<VelocityField> field_;
  bool is_exact_ = false;
};

}  // namespace

Denoising denoise(Denoising state, const Schedule& schedule, std::int64_t until, const TextPair& text,
                  std::optional<double> guidance, const SavedForwards& saved, const DitWeights& expert,
                  const Execution& how, const StepGate& gate) {
  if (state.step >= until) return state;
  Execution execution = how;
  execution.guidance = guidance_mode_of(how.guidance, saved);
  VelocityFields fields(make_conditions(state.x, text, guidance, expert, execution), expert, execution);
  Residuals residuals;
  Denoising resumable;
  while (state.step < until) {
    const StepWork work = work_of_step(saved, guidance.has_value(), state.step);
    if (!work.reuse_any()) resumable = state;
    if (gate && !gate(state, resumable)) return resumable;
    const double timestep = schedule.timesteps[static_cast<std::size_t>(state.step)];
    VelocityField& field = fields.of(state.step, schedule.steps());
    const at::Tensor velocity = field.at(state.x, timestep, work, residuals);
    state.x = solver_step(schedule, state.step, state.x, velocity, state.solver);
    ++state.step;
  }
  return state;
}

Latents latents(const Denoising& state) {
  if (!at::isfinite(state.x).all().item<bool>())
    throw Error(Error::permanent,
                "the latents hold NaN or infinity: the weights or the guidance scale are out of range");
  return {state.x};
}

}  // namespace wf
