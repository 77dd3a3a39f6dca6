// tests/pipeline/stages/solver_test.cpp: schedules and solver steps against those of the official code; Euler, which it
// lacks, against its definition.
#include "pipeline/stages/solver.hpp"

#include <array>

#include "tests/golden.hpp"

namespace wf {
namespace {

/// The velocity of the simple flow along which the golden trajectories were computed.
at::Tensor toy_velocity(const at::Tensor& x, double t) { return at::sin(x * 3) * 0.25 + (x * (0.0007 * t) + 0.1); }

std::string solver_name(const testing::TestParamInfo<SolverKind>& solver) {
  return solver.param == SolverKind::dpmpp ? "dpmpp" : std::string(to_string(solver.param));
}

/// The samples after every step: [steps, 4].
at::Tensor trajectory(const Schedule& schedule) {
  at::Tensor x = test::on_device(at::tensor({1.0F, -0.5F, 0.25F, 2.0F}));
  SolverState state;
  std::vector<at::Tensor> after;
  for (std::int64_t k = 0; k < schedule.steps(); ++k) {
    x = solver_step(schedule, k, x, toy_velocity(x, schedule.timesteps[static_cast<std::size_t>(k)]), state);
    after.push_back(x);
  }
  return at::stack(after);
}

class OfficialSolver : public testing::TestWithParam<SolverKind> {};
INSTANTIATE_TEST_SUITE_P(Solvers, OfficialSolver, testing::Values(SolverKind::unipc, SolverKind::dpmpp), solver_name);

TEST_P(OfficialSolver, EqualsOursForEveryStepCountAndShift) {
  const Golden golden("solver.safetensors");
  const std::string kind(to_string(GetParam()));
  int compared = 0;
  for (const int steps : {1, 2, 3, 5, 8, 20, 40, 50}) {
    for (const int shift : {1, 3, 5, 12}) {
      const std::string name = kind + ".n" + std::to_string(steps) + ".shift" + std::to_string(shift);
      const Schedule schedule = make_schedule(GetParam(), steps, shift);
      const at::Tensor timesteps = golden[name + ".timesteps"];
      EXPECT_TRUE(at::equal(at::tensor(schedule.timesteps, at::kDouble), timesteps.to(at::kDouble).flatten())) << name;
      expect_close(name + ".sigmas", at::tensor(schedule.sigmas), golden[name + ".sigmas"].flatten(), 2e-6);
      expect_close(name, trajectory(schedule), golden[name + ".x"].view({-1, 4}), 2e-6);
      ++compared;
    }
  }
  EXPECT_EQ(compared, 32);
}

class EverySolver : public testing::TestWithParam<SolverKind> {};
INSTANTIATE_TEST_SUITE_P(Solvers, EverySolver, testing::ValuesIn(all_solvers), solver_name);

TEST_P(EverySolver, StaysFiniteWithCoincidingTimesteps) {
  // From 92 steps on at shift 12 the first two integer timesteps coincide, and the official code, which looks steps up
  // by timestep, fails.
  const Schedule schedule = make_schedule(GetParam(), 200, 12);
  EXPECT_TRUE(at::isfinite(trajectory(schedule)).all().item<bool>());
}

TEST_P(EverySolver, StaysFiniteAtTheLimitsOfAList) {
  for (const double shift : {0.001, 1000.0})
    for (const int steps : {1, 2, 4, 1000})
      EXPECT_TRUE(at::isfinite(trajectory(make_schedule(GetParam(), steps, shift))).all().item<bool>())
          << steps << " steps, shift " << shift;
}

TEST(Euler, FollowsTheVelocityInF32) {
  const Schedule schedule = make_schedule(SolverKind::euler, 4, 5);
  const at::Tensor steps = trajectory(schedule).cpu();
  std::array<float, 4> x{1.0F, -0.5F, 0.25F, 2.0F};
  for (std::size_t k = 0; k < 4; ++k) {
    const at::Tensor before = at::tensor(at::ArrayRef<float>(x.data(), x.size()));
    const at::Tensor v = toy_velocity(before, schedule.timesteps[k]);
    const double change = static_cast<double>(schedule.sigmas[k + 1]) - static_cast<double>(schedule.sigmas[k]);
    for (std::size_t i = 0; i < 4; ++i)
      x[i] += static_cast<float>(change * v[static_cast<std::int64_t>(i)].item<float>());
    expect_close("euler, step " + std::to_string(k), steps[static_cast<std::int64_t>(k)],
                 at::tensor(at::ArrayRef<float>(x.data(), x.size())), 1e-6);
  }
}

TEST(Euler, EndsAtTheCleanSampleOfAConstantVelocity) {
  const at::Tensor clean = at::tensor({0.5F, -2.0F}), noise = at::tensor({-1.0F, 0.25F});
  for (const int steps : {1, 4, 20}) {
    const Schedule schedule = make_schedule(SolverKind::euler, steps, 5);
    at::Tensor x = noise;
    SolverState state;
    for (int k = 0; k < steps; ++k) x = solver_step(schedule, k, x, noise - clean, state);
    expect_close(std::to_string(steps) + " steps", x, clean, 1e-6);
  }
}

TEST(Euler, StartsAtPureNoiseAndDoesNotTruncateTimesteps) {
  const Schedule lightning = make_schedule(SolverKind::euler, 4, 5);
  EXPECT_EQ(lightning.timesteps, (std::vector<double>{1000, 937.5, 833.3333333333334, 625}));
  EXPECT_EQ(lightning.sigmas.front(), 1.0F);
  EXPECT_EQ(lightning.sigmas.back(), 0.0F);
  EXPECT_EQ(high_noise_steps(lightning), 2);
}

TEST(Schedule, DefaultsSplitAtStep26) {
  EXPECT_EQ(high_noise_steps(make_schedule(SolverKind::unipc, 40, 12)), 26);
  EXPECT_EQ(high_noise_steps(make_schedule(SolverKind::unipc, 40, 5)), 17);
  EXPECT_EQ(high_noise_steps(make_schedule(SolverKind::unipc, 4, 12)), 3);
  EXPECT_EQ(high_noise_steps(make_schedule(SolverKind::unipc, 1, 12)), 1);
}

}  // namespace
}  // namespace wf
