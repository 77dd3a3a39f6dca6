// pipeline/solver.hpp: the two ODE solvers of the official code, as recurrences over the data prediction m = x - sigma
// v. Source: Wan 2.2's fm_solvers_unipc.py (UniPC order 2, B(h) = expm1(-h), corrector on) and fm_solvers.py
// (DPM-Solver++ 2M, midpoint). Coefficients are formed in double from the f32 sigmas; the official f32 ones differ from
// them by about 7e-7.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "jobs/job.hpp"

namespace wf {

struct Schedule {
  SolverKind solver = SolverKind::unipc;
  std::vector<float> sigmas;  ///< steps + 1 values, falling, the last is 0
  std::vector<std::int64_t>
      timesteps;  ///< trunc(1000 sigma): what the experts see. The formulas use the untruncated sigma.
  std::int64_t steps() const { return static_cast<std::int64_t>(timesteps.size()); }
};

/// Any steps >= 1, any shift > 0. UniPC starts at sigma 0.9999 (t = 999), DPM++ at sigma 1 (t = 1000).
Schedule make_schedule(SolverKind solver, int steps, double shift);

/// Timesteps at and above this belong to the high-noise expert. Source: Wan 2.2 t2v-A14B configuration, boundary 0.875.
constexpr std::int64_t boundary_timestep = 875;

/// How many steps the high-noise expert does: the timesteps >= 875, a prefix of the schedule.
std::int64_t high_noise_steps(const Schedule& schedule);

/// What a solver remembers between steps. Undefined tensors before step 0.
struct SolverState {
  at::Tensor corrected;  ///< UniPC: the corrected sample of the previous step
  at::Tensor m1, m2;     ///< data predictions of the previous step and of the one before (DPM++ keeps m1 alone)
  int order = 0;         ///< UniPC: order of the previous predictor
};

/// x of step `step` and the velocity predicted there -> x of step + 1; `state` moves on. All f32, on x's device.
at::Tensor solver_step(const Schedule& schedule, std::int64_t step, const at::Tensor& x, const at::Tensor& velocity,
                       SolverState& state);

}  // namespace wf
