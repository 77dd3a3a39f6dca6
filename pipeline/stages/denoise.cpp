#include "pipeline/stages/denoise.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "pipeline/model/rope.hpp"

namespace wf {
namespace {

/// Whether each rank of the group computes one guidance branch instead of both.
bool splits_guidance(const Execution& execution) { return execution.ranks && execution.ranks->branches() == 2; }

/// The expert and the choices for steps that are computed without products of 8-bit numbers.
struct ExactSteps {
  DitWeights expert;
  Execution execution;

  ExactSteps(const DitWeights& of, const Execution& with) : expert(with_exact_products(of)), execution(exactly(with)) {
    execution.attention = with.attention.exactly();
  }
};

}  // namespace

Conditions make_conditions(const at::Tensor& x, const TextPair& text, std::optional<double> guidance,
                           const DitWeights& expert, const Execution& execution) {
  const at::Tensor rope = rope_table(token_grid(x), expert.head_dim(), expert.device());
  const at::Tensor prompt = text.prompt.text.to(expert.device());
  if (!guidance) return {{embed_text(expert, {prompt})}, rope, guidance};
  const at::Tensor negative = text.negative.text.to(expert.device());
  if (splits_guidance(execution))
    return {{embed_text(expert, {execution.ranks->branch() == 0 ? prompt : negative})}, rope, guidance};
  if (execution.guidance == GuidanceMode::batched) return {{embed_text(expert, {prompt, negative})}, rope, guidance};
  return {{embed_text(expert, {prompt}), embed_text(expert, {negative})}, rope, guidance};
}

at::Tensor velocity_at(const at::Tensor& x, double timestep, const Conditions& conditions, const DitWeights& expert,
                       const Execution& execution) {
  const TimeEmbedding time = embed_time(expert, {timestep});
  const SequenceGroup* const ranks = execution.ranks ? &execution.ranks->sequence() : nullptr;
  std::vector<at::Tensor> velocities;
  for (const TextContext& context : conditions.contexts) {
    const std::int64_t batch = context.blocks.front().k.size(0);
    const at::Tensor samples = x.unsqueeze(0).expand({batch, -1, -1, -1, -1});
    const at::Tensor batched = dit_forward(expert, samples, time, context, conditions.rope, execution.attention, ranks);
    for (const at::Tensor& velocity : batched.unbind(0)) velocities.push_back(velocity);
  }
  if (!conditions.guidance) return velocities.front();
  if (splits_guidance(execution)) velocities = execution.ranks->share(velocities.front());
  const at::Tensor &conditional = velocities[0], &unconditional = velocities[1];
  return at::add(unconditional, conditional - unconditional, *conditions.guidance);
}

Denoising denoise(Denoising state, const Schedule& schedule, std::int64_t until, const TextPair& text,
                  std::optional<double> guidance, const DitWeights& expert, const Execution& execution,
                  const StepGate& gate) {
  if (state.step >= until) return state;
  const Conditions conditions = make_conditions(state.x, text, guidance, expert, execution);
  const ExactSteps exact(expert, execution);
  while (state.step < until && (!gate || gate(state))) {
    const double timestep = schedule.timesteps[static_cast<std::size_t>(state.step)];
    const bool is_exact = is_exact_step(execution, state.step, schedule.steps());
    const at::Tensor velocity = velocity_at(state.x, timestep, conditions, is_exact ? exact.expert : expert,
                                            is_exact ? exact.execution : execution);
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
