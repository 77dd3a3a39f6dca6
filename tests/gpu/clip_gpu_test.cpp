// tests/gpu/clip_gpu_test.cpp: whole clips on the GPU have the same bits every time, rendered at once or resumed; and
// which generator their initial noise comes from.
#include <c10/core/InferenceMode.h>

#include "pipeline/stages/start.hpp"
#include "tests/pipeline/stages/golden_clip.hpp"

namespace wf {
namespace {

using test::TempFolder;

/// With the fastest attention backend that supports the model.
Execution execution_in(Precision precision) {
  Execution execution = golden_execution();
  execution.precision = precision;
  execution.attention = {};
  return execution;
}

Job some_job() { return job_of(golden_run("unipc")); }

class EveryPrecision : public testing::TestWithParam<Precision> {};
INSTANTIATE_TEST_SUITE_P(Precisions, EveryPrecision, testing::Values(Precision::reference, Precision::exact),
                         [](const auto& p) { return p.param == Precision::exact ? "exact" : "reference"; });

TEST_P(EveryPrecision, TwoRunsGiveTheSameBits) {
  const TempFolder first_folder, second_folder;
  Clip first = clip_in(first_folder, some_job()), second = clip_in(second_folder, some_job());
  Models for_first(ModelSource{golden_model()}, execution_in(GetParam())),
      for_second(ModelSource{golden_model()}, execution_in(GetParam()));
  render(first, for_first);
  render(second, for_second);
  EXPECT_FALSE(first.latents_sha256.empty());
  EXPECT_EQ(first.latents_sha256, second.latents_sha256);
  EXPECT_EQ(first.frames_sha256, second.frames_sha256);
}

TEST_P(EveryPrecision, InterruptedAndResumedGivesTheSameBits) {
  const TempFolder whole_folder, cut_folder;
  Models models(ModelSource{golden_model()}, execution_in(GetParam()));
  Clip whole = clip_in(whole_folder, some_job());
  render(whole, models);
  for (const int stop_at : {2, 5}) {  // within each expert's steps
    Clip first = clip_in(cut_folder, some_job()), second = clip_in(cut_folder, some_job());
    EXPECT_THROW(render(first, models, [&](Stage, std::int64_t step, std::int64_t) { return step != stop_at; }),
                 Interrupted);
    Models later(ModelSource{golden_model()}, execution_in(GetParam()));  // as another process would
    render(second, later);
    EXPECT_EQ(second.steps_resumed, stop_at);
    EXPECT_EQ(second.latents_sha256, whole.latents_sha256);
    EXPECT_EQ(second.frames_sha256, whole.frames_sha256);
  }
}

TEST(Noise, OfTheDeviceIsWhatItsOwnGeneratorDraws) {
  const c10::InferenceMode guard;
  const Job job = some_job();
  const Denoising ours = start(job, 16, NoiseSource::device, test::device());
  at::manual_seed(static_cast<std::uint64_t>(job.seed.value()));  // every device's generator
  EXPECT_TRUE(at::equal(ours.x, at::randn(ours.x.sizes(), ours.x.options())));
}

TEST(Noise, OfTheDeviceIsDrawnAnewForEveryClip) {
  const c10::InferenceMode guard;
  const Denoising first = start(some_job(), 16, NoiseSource::device, test::device());
  at::randn({1000}, at::device(test::device()));  // what others draw in between
  EXPECT_TRUE(at::equal(start(some_job(), 16, NoiseSource::device, test::device()).x, first.x));
}

TEST(Noise, OfTheDeviceIsNotThatOfTheCpu) {
  const c10::InferenceMode guard;
  const Denoising device = start(some_job(), 16, NoiseSource::device, test::device());
  const Denoising cpu = start(some_job(), 16, NoiseSource::cpu, test::device());
  EXPECT_EQ(device.x.sizes(), cpu.x.sizes());
  EXPECT_FALSE(at::equal(device.x, cpu.x));
  EXPECT_TRUE(at::equal(cpu.x.cpu(), start(some_job(), 16, NoiseSource::cpu, at::kCPU).x));
}

}  // namespace
}  // namespace wf
