// tests/pipeline/stages/solver_test.cpp: schedules and solver steps against those of the official code.
#include "pipeline/stages/solver.hpp"

#include "tests/golden.hpp"

namespace wf {
namespace {

/// The velocity of the simple flow along which the golden trajectories were computed.
at::Tensor toy_velocity(const at::Tensor& x, std::int64_t t) {
  return at::sin(x * 3) * 0.25 + (x * (0.0007 * static_cast<double>(t)) + 0.1);
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

class EverySolver : public testing::TestWithParam<SolverKind> {};
INSTANTIATE_TEST_SUITE_P(Solvers, EverySolver, testing::Values(SolverKind::unipc, SolverKind::dpmpp),
                         [](const auto& solver) { return solver.param == SolverKind::unipc ? "unipc" : "dpmpp"; });

TEST_P(EverySolver, EqualsTheOfficialOneForEveryStepCountAndShift) {
  const Golden golden("solver.safetensors");
  const std::string kind(to_string(GetParam()));
  int compared = 0;
  for (const int steps : {1, 2, 3, 5, 8, 20, 40, 50}) {
    for (const int shift : {1, 3, 5, 12}) {
      const std::string name = kind + ".n" + std::to_string(steps) + ".shift" + std::to_string(shift);
      const Schedule schedule = make_schedule(GetParam(), steps, shift);
      const at::Tensor timesteps = golden[name + ".timesteps"];
      EXPECT_TRUE(at::equal(at::tensor(schedule.timesteps, at::kLong), timesteps.to(at::kLong).flatten())) << name;
      expect_close(name + ".sigmas", at::tensor(schedule.sigmas), golden[name + ".sigmas"].flatten(), 2e-6);
      expect_close(name, trajectory(schedule), golden[name + ".x"].view({-1, 4}), 2e-6);
      ++compared;
    }
  }
  EXPECT_EQ(compared, 32);
}

TEST_P(EverySolver, StaysFiniteWithCoincidingTimesteps) {
  // From 92 steps on at shift 12 the first two integer timesteps coincide, and the official code, which looks steps up
  // by timestep, fails.
  const Schedule schedule = make_schedule(GetParam(), 200, 12);
  EXPECT_TRUE(at::isfinite(trajectory(schedule)).all().item<bool>());
}

TEST(Schedule, DefaultsSplitAtStep26) {
  EXPECT_EQ(high_noise_steps(make_schedule(SolverKind::unipc, 40, 12)), 26);
  EXPECT_EQ(high_noise_steps(make_schedule(SolverKind::unipc, 40, 5)), 17);
  EXPECT_EQ(high_noise_steps(make_schedule(SolverKind::unipc, 4, 12)), 3);
  EXPECT_EQ(high_noise_steps(make_schedule(SolverKind::unipc, 1, 12)), 1);
}

}  // namespace
}  // namespace wf
