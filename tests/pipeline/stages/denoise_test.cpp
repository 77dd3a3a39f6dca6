// tests/pipeline/stages/denoise_test.cpp: denoising stopped, stored and continued anywhere gives the same bits;
// forwards with and without guidance.
#include "pipeline/stages/denoise.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/InferenceMode.h>

#include <memory>
#include <utility>

#include "base/error.hpp"
#include "pipeline/kernels/attention.hpp"
#include "pipeline/stages/start.hpp"
#include "pipeline/stages/store.hpp"
#include "tests/golden.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

using test::TempFolder;

/// A clip of few steps that both golden experts denoise, in as many calls as a test wants.
class ShortClip {
 public:
  explicit ShortClip(SolverKind solver, GuidanceMode mode = GuidanceMode::two, const Guidance& guidance = {},
                     int steps = 6, SavedForwards saved = {})
      : schedule_(make_schedule(solver, steps, 5.0)), guidance_(guidance), saved_(std::move(saved)) {
    for (const char* name : {"high", "low"}) {
      const Path folder = golden_model() / (std::string(name) + "_noise_model");
      experts_.push_back(load_dit({Network::expert, folder}, read_dit_config(folder / "config.json"),
                                  Precision::reference, test::device()));
    }
    const Golden texts("text.safetensors");
    text_.prompt = {texts.input("0.f32")};
    if (guidance.any()) text_.negative = {texts.input("4.f32")};
    execution_.attention = counting(math_attention(), samples_);
    execution_.cuda_graphs = CudaGraphs::off;  // a replay calls no attention that could count
    execution_.guidance = mode;
    Job job;
    job.seed = 5, job.width = 64, job.height = 48, job.frames = 5;
    noise_ = start(job, 16, NoiseSource::cpu, test::device());
  }

  const Denoising& noise() const { return noise_; }
  std::int64_t steps() const { return schedule_.steps(); }
  std::int64_t high_steps() const { return high_noise_steps(schedule_); }
  /// Samples that went through an expert since the last call: a forward of batch 2 counts twice.
  std::int64_t samples() const {
    return std::exchange(*samples_, 0) / static_cast<std::int64_t>(experts_[0].blocks.size());
  }

  Denoising go_on(Denoising state, std::int64_t until, const StepGate& gate = {}) const {
    const std::int64_t boundary = high_noise_steps(schedule_), until_high = std::min(until, boundary);
    state =
        denoise(std::move(state), schedule_, until_high, text_, guidance_.high, saved_, experts_[0], execution_, gate);
    if (state.step < until_high) return state;
    return denoise(std::move(state), schedule_, until, text_, guidance_.low, saved_, experts_[1], execution_, gate);
  }
  /// What is left of the clip when its gate says no before step `step`.
  Denoising stopped_before(std::int64_t step) const {
    return go_on(noise_, steps(), [=](const Denoising& now, const Denoising&) { return now.step < step; });
  }

 private:
  /// An attention that adds the batch of each call to `samples`.
  static Attention counting(Attention attention, std::shared_ptr<std::int64_t> samples) {
    return [=](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool with_lse) {
      *samples += q.size(0);
      return attention(q, k, v, with_lse);
    };
  }

  Schedule schedule_;
  Guidance guidance_;
  SavedForwards saved_;
  std::shared_ptr<std::int64_t> samples_ = std::make_shared<std::int64_t>(0);
  std::vector<DitWeights> experts_;
  TextPair text_;
  Execution execution_;
  Denoising noise_;
};

class EverySolver : public testing::TestWithParam<SolverKind> {};
INSTANTIATE_TEST_SUITE_P(Solvers, EverySolver, testing::ValuesIn(all_solvers), [](const auto& solver) {
  return solver.param == SolverKind::dpmpp ? "dpmpp" : std::string(to_string(solver.param));
});

TEST_P(EverySolver, StoredAtAnyStepAndContinuedGivesTheSameBits) {
  const c10::InferenceMode guard;
  const ShortClip clip(GetParam());
  const TempFolder folder;
  const at::Tensor whole = clip.go_on(clip.noise(), clip.steps()).x;
  for (std::int64_t k = 0; k <= clip.steps(); ++k) {
    store_state(folder / "state.h5", {clip.go_on(clip.noise(), k)}, "some clip");
    const auto stored = load_state(folder / "state.h5", "some clip", test::device());
    ASSERT_TRUE(stored.has_value()) << "step " << k;
    EXPECT_EQ(stored->state.step, k);
    EXPECT_TRUE(at::equal(clip.go_on(stored->state, clip.steps()).x, whole)) << "continued at step " << k;
  }
}

TEST(Denoise, AGateStopsBetweenSteps) {
  const c10::InferenceMode guard;
  Denoising state{at::zeros({16, 1, 4, 4}, test::device()), {}, 0};
  const Path folder = golden_model() / "low_noise_model";
  const DitWeights expert = load_dit({Network::expert, folder}, read_dit_config(folder / "config.json"),
                                     Precision::reference, test::device());
  const Golden texts("text.safetensors");
  const TextPair text{{texts.input("0.f32")}, {texts.input("4.f32")}};
  const Execution execution{.attention = math_attention()};
  const Schedule schedule = make_schedule(SolverKind::unipc, 5, 3.0);
  state = denoise(state, schedule, 5, text, 3.0, {}, expert, execution,
                  [](const Denoising& now, const Denoising&) { return now.step < 2; });
  EXPECT_EQ(state.step, 2);
}

TEST(Denoise, BatchedGuidanceAgreesWithTwoForwards) {
  const c10::InferenceMode guard;
  const ShortClip two(SolverKind::unipc, GuidanceMode::two), batched(SolverKind::unipc, GuidanceMode::batched);
  expect_close("batched", batched.go_on(batched.noise(), 6).x, two.go_on(two.noise(), 6).x, test::network_tolerance);
}

TEST(Denoise, AnExpertThatIsNotGuidedDoesOneForwardAStep) {
  const c10::InferenceMode guard;
  for (const GuidanceMode mode : {GuidanceMode::two, GuidanceMode::batched}) {
    for (const Guidance& guidance : {Guidance{4, 3}, Guidance{4, {}}, Guidance{{}, 3}, Guidance{{}, {}}}) {
      const ShortClip clip(SolverKind::euler, mode, guidance, /*steps=*/5);
      const std::int64_t high = clip.high_steps(), low = clip.steps() - high;
      ASSERT_TRUE(high > 0 && low > 0 && high != low);
      clip.go_on(clip.noise(), clip.steps());
      EXPECT_EQ(clip.samples(), high * (guidance.high ? 2 : 1) + low * (guidance.low ? 2 : 1))
          << to_string(mode) << ", " << to_string(guidance);
    }
  }
}

/// Of 12 steps, 5 or 6 of the high-noise expert: the branches save different forwards, and one step is not guided.
const SavedForwards some_saved{.conditional = {2, 3, 7, 11}, .unconditional = {3, 8, 10}, .unguided = {1}};

TEST(Denoise, SavedForwardsAreNotComputed) {
  const c10::InferenceMode guard;
  for (const GuidanceMode mode : {GuidanceMode::two, GuidanceMode::batched}) {
    const ShortClip clip(SolverKind::unipc, mode, {}, 12, some_saved);
    clip.go_on(clip.noise(), clip.steps());
    EXPECT_EQ(clip.samples(), 24 - 4 - 3 - 1) << to_string(mode);
  }
}

TEST_P(EverySolver, WithSavedForwardsStoppedAtAnyStepAndContinuedGivesTheSameBits) {
  const c10::InferenceMode guard;
  const ShortClip clip(GetParam(), GuidanceMode::two, {}, 12, some_saved);
  const at::Tensor whole = clip.go_on(clip.noise(), clip.steps()).x;
  for (std::int64_t step = 0; step < clip.steps(); ++step) {
    const Denoising stopped = clip.stopped_before(step);
    const bool reuses = work_of_step(some_saved, /*is_guided=*/true, step).reuse_any();
    EXPECT_EQ(stopped.step < step, reuses) << "a state has no residuals: step " << step;
    EXPECT_TRUE(at::equal(clip.go_on(stopped, clip.steps()).x, whole)) << "stopped before step " << step;
  }
}

TEST(Denoise, AStepThatIsNotGuidedHasTheConditionalVelocity) {
  const c10::InferenceMode guard;
  const std::vector<int> every_step{0, 1, 2, 3, 4, 5};
  const ShortClip guided(SolverKind::euler, GuidanceMode::two, {4, 3}, 6, {.unguided = every_step}),
      unguided(SolverKind::euler, GuidanceMode::two, {{}, {}});
  EXPECT_TRUE(at::equal(guided.go_on(guided.noise(), 6).x, unguided.go_on(unguided.noise(), 6).x));
}

TEST(Denoise, WithoutGuidanceTheVelocityIsTheConditionalOne) {
  const c10::InferenceMode guard;
  const ShortClip none(SolverKind::euler, GuidanceMode::two, {{}, {}}),
      one(SolverKind::euler, GuidanceMode::two, {1, 1});
  expect_close("without guidance", none.go_on(none.noise(), 6).x, one.go_on(one.noise(), 6).x, test::network_tolerance);
}

/// First and last steps without products of 8-bit numbers, and all steps if there are that many; never fewer than
/// asked.
TEST(Denoise, ExactStepsAtBothEndsAreThoseOfExactProducts) {
  const c10::InferenceMode guard;
  const Path folder = golden_model() / "high_noise_model";
  const DitWeights fp8 =
      load_dit({Network::expert, folder}, read_dit_config(folder / "config.json"), Precision::fp8, test::device());
  const DitWeights exact = with_exact_products(fp8);
  const Schedule schedule = make_schedule(SolverKind::unipc, 6, 5.0);
  const TextPair text{{Golden("text.safetensors").input("0.f32")}, {}};
  Job job;
  job.seed = 5, job.width = 64, job.height = 48, job.frames = 5;
  const Denoising noise = start(job, 16, NoiseSource::cpu, test::device());
  const auto run = [&](const DitWeights& expert, std::int64_t exact_steps, std::int64_t from, std::int64_t until,
                       Denoising state) {
    Execution execution;
    execution.precision = expert.precision;
    execution.fp8_exact_steps = exact_steps;
    execution.attention = rounded_attention(math_attention());
    if (&expert == &exact) execution.attention = math_attention();
    EXPECT_EQ(state.step, from);
    return denoise(std::move(state), schedule, until, text, {}, {}, expert, execution);
  };
  const Denoising all_exact = run(exact, 0, 0, 6, noise), all_fp8 = run(fp8, 0, 0, 6, noise);
  EXPECT_FALSE(at::equal(all_exact.x, all_fp8.x));
  EXPECT_TRUE(at::equal(run(fp8, 3, 0, 6, noise).x, all_exact.x));
  EXPECT_TRUE(at::equal(run(fp8, 99, 0, 6, noise).x, all_exact.x));
  const Denoising ends = run(exact, 0, 5, 6, run(fp8, 0, 1, 5, run(exact, 0, 0, 1, noise)));
  EXPECT_TRUE(at::equal(run(fp8, 1, 0, 6, noise).x, ends.x));
}

TEST(Denoise, LatentsWithNaNAreAnError) {
  try {
    latents({at::full({16, 1, 2, 2}, NAN, test::device()), {}, 6});
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::permanent);
  }
}

}  // namespace
}  // namespace wf
