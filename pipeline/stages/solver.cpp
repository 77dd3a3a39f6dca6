#include "pipeline/stages/solver.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace wf {
namespace {

/// The noise level at one step: x = alpha * clean + sigma * noise, lambda = ln(alpha / sigma).
struct Level {
  double sigma, alpha, lambda;
};

Level level(const Schedule& schedule, std::int64_t step) {
  const double sigma = schedule.sigmas[static_cast<std::size_t>(step)];
  const double alpha = 1.0 - sigma;
  return {sigma, alpha, std::log(alpha) - std::log(sigma)};  // +inf at sigma 0, -inf at sigma 1
}

/// a x + b y in one pass over the data.
at::Tensor combine(const at::Tensor& x, double a, const at::Tensor& y, double b) { return at::mul(x, a).add_(y, b); }

// ---- UniPC ----

/// The corrected sample of `step`: the previous step, computed again with the data prediction m at its end.
at::Tensor correct(const Schedule& schedule, std::int64_t step, const at::Tensor& m, const SolverState& state) {
  const Level from = level(schedule, step - 1), to = level(schedule, step);
  const double h = to.lambda - from.lambda;
  const double phi = std::expm1(-h);
  const double scale = to.alpha * phi;
  if (state.order == 1) {
    // base - scale * 0.5 (m - m1), base = ratio c - scale m1
    return combine(state.corrected, to.sigma / from.sigma, state.m1, -0.5 * scale).add_(m, -0.5 * scale);
  }
  const double r = (level(schedule, step - 2).lambda - from.lambda) / h;
  const double g1 = phi / -h - 1.0, b1 = g1 / phi;
  const double g2 = g1 / -h - 0.5, b2 = 2.0 * g2 / phi;
  const double rho1 = (b1 - b2) / (1.0 - r), rho2 = b1 - rho1;
  // base - scale [ rho1 (m2 - m1)/r + rho2 (m - m1) ]
  return combine(state.corrected, to.sigma / from.sigma, state.m1, -scale * (1.0 - rho1 / r - rho2))
      .add_(state.m2, -scale * rho1 / r)
      .add_(m, -scale * rho2);
}

/// The sample of `step` + 1 from the corrected sample c and the data predictions of this step and the previous one.
at::Tensor predict(const Schedule& schedule, std::int64_t step, const at::Tensor& c, const at::Tensor& m,
                   const at::Tensor& m1, int order) {
  if (step + 1 == schedule.steps()) return m.clone();  // at sigma 0 the sample is the prediction of the clean one
  const Level from = level(schedule, step), to = level(schedule, step + 1);
  const double h = to.lambda - from.lambda;
  const double scale = to.alpha * std::expm1(-h);
  const double ratio = to.sigma / from.sigma;
  if (order == 1) return combine(c, ratio, m, -scale);
  // ratio c - scale m - scale 0.5 (m1 - m)/r
  const double r = (level(schedule, step - 1).lambda - from.lambda) / h;
  return combine(c, ratio, m, -scale * (1.0 - 0.5 / r)).add_(m1, -scale * 0.5 / r);
}

at::Tensor unipc_step(const Schedule& schedule, std::int64_t step, const at::Tensor& x, const at::Tensor& m,
                      SolverState& state) {
  const at::Tensor corrected = step == 0 ? x : correct(schedule, step, m, state);
  const int order = static_cast<int>(std::min<std::int64_t>({2, schedule.steps() - step, step + 1}));
  at::Tensor next = predict(schedule, step, corrected, m, state.m1, order);
  state = {corrected, m, state.m1, order};
  return next;
}

// ---- DPM-Solver++ ----

at::Tensor dpmpp_step(const Schedule& schedule, std::int64_t step, const at::Tensor& x, const at::Tensor& m,
                      SolverState& state) {
  const at::Tensor previous = state.m1;
  state.m1 = m;
  if (step + 1 == schedule.steps()) return m.clone();
  const Level from = level(schedule, step), to = level(schedule, step + 1);
  const double h = to.lambda - from.lambda;  // +inf from sigma 1, where expm1(-h) is -1 as it should be
  const double scale = to.alpha * std::expm1(-h);
  const double ratio = to.sigma / from.sigma;
  const double r = step == 0 ? INFINITY : (from.lambda - level(schedule, step - 1).lambda) / h;
  if (!std::isfinite(r)) return combine(x, ratio, m, -scale);  // first order: no previous step, or one at sigma 1
  return combine(x, ratio, m, -scale * (1.0 + 0.5 / r)).add_(previous, scale * 0.5 / r);
}

// ---- Euler ----

at::Tensor euler_step(const Schedule& schedule, std::int64_t step, const at::Tensor& x, const at::Tensor& velocity,
                      const at::Tensor& m, SolverState& state) {
  const double from = level(schedule, step).sigma, to = level(schedule, step + 1).sigma;
  state.m1 = m;
  return at::add(x, velocity, to - from);
}

}  // namespace

Schedule make_schedule(SolverKind solver, int steps, double shift) {
  // UniPC's largest sigma is the f32 value of 0.999, the end of its training table; the others start from pure noise.
  const double largest = solver == SolverKind::unipc ? static_cast<double>(0.999F) : 1.0;
  Schedule schedule{solver, {}, {}};
  for (int k = 0; k < steps; ++k) {
    const double u = largest + k * (-largest / steps);
    const double sigma = shift * u / (1.0 + (shift - 1.0) * u);
    schedule.sigmas.push_back(static_cast<float>(sigma));
    const double timestep = sigma * 1000.0;
    schedule.timesteps.push_back(solver == SolverKind::euler ? timestep : std::trunc(timestep));
  }
  schedule.sigmas.push_back(0.0F);
  return schedule;
}

std::int64_t high_noise_steps(const Schedule& schedule) {
  return std::ranges::count_if(schedule.timesteps, [](double t) { return t >= boundary_timestep; });
}

std::int64_t high_noise_steps(const Job& job) {
  return high_noise_steps(make_schedule(job.solver, job.steps, job.shift));
}

at::Tensor solver_step(const Schedule& schedule, std::int64_t step, const at::Tensor& x, const at::Tensor& velocity,
                       SolverState& state) {
  const at::Tensor m = at::sub(x, velocity, schedule.sigmas[static_cast<std::size_t>(step)]);
  switch (schedule.solver) {
    case SolverKind::unipc:
      return unipc_step(schedule, step, x, m, state);
    case SolverKind::dpmpp:
      return dpmpp_step(schedule, step, x, m, state);
    case SolverKind::euler:
      break;
  }
  return euler_step(schedule, step, x, velocity, m, state);
}

}  // namespace wf
