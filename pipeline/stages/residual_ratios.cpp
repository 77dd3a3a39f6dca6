#include "pipeline/stages/residual_ratios.hpp"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include "pipeline/stages/solver.hpp"
#include "pipeline/stages/start.hpp"
#include "pipeline/stages/velocity.hpp"

namespace wf {
namespace {

double ratio_of(const at::Tensor& residual, const at::Tensor& before) {
  if (!before.defined()) return 1;
  const auto lengths = [](const at::Tensor& x) {
    return at::linalg_vector_norm(x.to(at::kFloat), 2, at::IntArrayRef{-1});
  };
  return (lengths(residual) / lengths(before)).mean().item<double>();
}

/// Appends the ratios of a step.
void append(StepCacheTable& table, const Residuals& now, const Residuals& before) {
  table.conditional.push_back(ratio_of(now.conditional, before.conditional));
  const bool is_guided = now.unconditional.defined() && before.unconditional.defined();
  table.unconditional.push_back(is_guided ? ratio_of(now.unconditional, before.unconditional)
                                          : table.conditional.back());
}

/// Each branch by itself, and no forward recorded, for a recorded one keeps no residual.
Execution with_residuals(Execution execution) {
  execution.guidance = GuidanceMode::two;
  execution.cuda_graphs = CudaGraphs::off;
  return execution;
}

}  // namespace

StepCacheTable residual_ratios(const Job& job, Models& models, const Progress& progress) {
  const c10::InferenceMode no_autograd;
  const Schedule schedule = make_schedule(job.solver, job.steps, job.shift);
  const TextPair text = embed_texts(job, models);
  const Execution execution = with_residuals(models.execution());
  Denoising state = start(job, models.parts().expert.in_dim, execution.noise, execution.device);
  StepCacheTable table;
  Residuals before;
  for (const Stage stage : {Stage::high, Stage::low}) {
    const std::int64_t until = stage == Stage::high ? high_noise_steps(schedule) : schedule.steps();
    if (state.step == until) continue;
    const DitWeights& expert = models.expert(stage == Stage::high ? Expert::high : Expert::low);
    VelocityField field(make_conditions(state.x, text, scale_in(stage, job.guidance), expert, execution), expert,
                        execution);
    for (; state.step < until; ++state.step) {
      if (progress) progress(stage, state.step, schedule.steps());
      Residuals now;
      const double timestep = schedule.timesteps[static_cast<std::size_t>(state.step)];
      const at::Tensor velocity = field.at(state.x, timestep, {BranchWork::kept, BranchWork::kept}, now);
      append(table, now, before);
      before = now;
      state.x = solver_step(schedule, state.step, state.x, velocity, state.solver);
    }
  }
  return table;
}

}  // namespace wf
