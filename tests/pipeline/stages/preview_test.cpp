// tests/pipeline/stages/preview_test.cpp: what a clip under way is predicted to become, at half its size.
#include "pipeline/stages/preview.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.hpp"
#include "pipeline/stages/solver.hpp"

namespace wf {
namespace {

at::Tensor sample() { return at::arange(16 * 2 * 6 * 4, at::kFloat).view({16, 2, 6, 4}) / 400; }

TEST(Preview, IsTheLastDataPrediction) {
  EXPECT_TRUE(at::equal(predicted_clip({sample() + 1000, {{}, sample(), {}, 1}, 1}).x, sample()));
}

TEST(Preview, BeforeTheFirstStepIsTheNoiseAndAfterTheLastOneTheClip) {
  EXPECT_TRUE(at::equal(predicted_clip({sample(), {}, 0}).x, sample()));
}

/// A velocity that always points to the same clean clip is predicted without error from the first step on.
TEST(Preview, IsTheCleanClipWhereTheExpertForeseesIt) {
  const at::Tensor clean = sample(), noise = at::ones_like(clean);
  for (const SolverKind solver : all_solvers) {
    const Schedule schedule = make_schedule(solver, 8, 12);
    Denoising state{clean + schedule.sigmas[0] * (noise - clean), {}, 0};
    for (; state.step < high_noise_steps(schedule); ++state.step)
      state.x = solver_step(schedule, state.step, state.x, noise - clean, state.solver);
    EXPECT_LT((predicted_clip(state).x - clean).abs().max().item<float>(), 1e-4);
  }
}

TEST(Preview, OfABrokenStateIsRefused) {
  at::Tensor broken = sample();
  broken[0][0][0][0] = std::numeric_limits<float>::infinity();
  EXPECT_THROW(predicted_clip({broken, {}, 0}), Error);
}

TEST(Preview, FramesAreHalvedToTheMeanOfEachSquare) {
  const at::Tensor rgb = at::arange(2 * 4 * 6 * 3, at::kByte).view({2, 4, 6, 3});
  const at::Tensor half = half_size({rgb}).rgb;
  ASSERT_EQ(half.sizes(), (std::vector<std::int64_t>{2, 2, 3, 3}));
  EXPECT_TRUE(half.is_contiguous());
  const at::Tensor square = rgb[1].slice(0, 2, 4).slice(1, 4, 6).select(2, 1);
  EXPECT_EQ(half[1][1][2][1].item<int>(),
            static_cast<int>(std::nearbyint(square.to(at::kDouble).mean().item<double>())));
}

}  // namespace
}  // namespace wf
