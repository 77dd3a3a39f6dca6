// pipeline/stages/solver.hpp: solvers of the diffusion ODE. The two of the official code are recurrences over the data
// prediction m = x - sigma v. Source: Wan 2.2's fm_solvers_unipc.py (UniPC of order 2, B(h) = expm1(-h), with
// corrector) and fm_solvers.py (DPM-Solver++ 2M, midpoint). Coefficients are computed in double from the f32 sigmas;
// the official code computes them in f32, which differs by about 7e-7. Euler, for models that were distilled to a few
// steps, follows v itself: x + (sigma_next - sigma) v.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "jobs/job.hpp"

namespace wf {

/// The noise levels of all steps.
struct Schedule {
  SolverKind solver = SolverKind::unipc;
  std::vector<float> sigmas;  ///< [steps + 1], decreasing, the last one 0
  /// [steps]: 1000 sigma, the experts' input; for UniPC and DPM++ it is truncated to an integer, as in the official
  /// code. The solvers' formulas use the sigmas, which are not truncated.
  std::vector<double> timesteps;
  std::int64_t steps() const { return static_cast<std::int64_t>(timesteps.size()); }
};

/// A schedule of steps >= 1 and shift > 0. At shift 12 UniPC starts at sigma 0.9999 (timestep 999), DPM++ and Euler at
/// sigma 1 (timestep 1000).
Schedule make_schedule(SolverKind solver, int steps, double shift);

/// Timesteps at and above this belong to the high-noise expert. Source: Wan 2.2 t2v-A14B configuration, boundary 0.875.
constexpr double boundary_timestep = 875;

/// Number of steps of the high-noise expert: those with a timestep of at least 875, which come first.
std::int64_t high_noise_steps(const Schedule& schedule);
std::int64_t high_noise_steps(const Job& job);  ///< of the job's schedule

/// What a solver remembers between steps. The tensors have the sample's shape and are undefined before step 0.
struct SolverState {
  at::Tensor corrected;  ///< UniPC: the corrected sample of the previous step
  /// Data predictions of the previous step and of the one before. DPM++ keeps m1 alone, and so does Euler, which does
  /// not read it: a draft shows it.
  at::Tensor m1, m2;
  int order = 0;  ///< UniPC: order of the previous predictor
};

/// One step: from the sample x before step `step` and the velocity predicted there to the sample before step + 1. All
/// tensors are f32, of one shape and on one device. Updates `state`.
at::Tensor solver_step(const Schedule& schedule, std::int64_t step, const at::Tensor& x, const at::Tensor& velocity,
                       SolverState& state);

}  // namespace wf
