// tests/pipeline/stages/stages_test.cpp: whole clips, from the prompt to the frames, against four runs of the official
// pipeline and one with Euler; stopping and continuing.
#include "pipeline/stages/stages.hpp"

#include <ATen/Version.h>

#include "base/error.hpp"
#include "base/sha256.hpp"
#include "pipeline/stages/decode.hpp"
#include "pipeline/stages/store.hpp"
#include "tests/pipeline/stages/golden_clip.hpp"

namespace wf {
namespace {

using test::TempFolder;

Models golden_models() { return Models(ModelSource{golden_model()}, golden_execution()); }

/// Relative L2 distance that the latents of a whole run may have from the official ones.
constexpr double run_tolerance = 5e-5;

class GoldenRun : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Runs, GoldenRun, testing::Values("unipc", "dpmpp", "default_schedule", "one_frame"),
                         [](const auto& run) { return run.param; });

/// The share of bytes that differ. Fails when one differs by more than 1.
double share_of_different_bytes(const at::Tensor& ours, const at::Tensor& golden) {
  const at::Tensor difference = (ours.to(at::kInt) - golden.to(at::kInt)).abs();
  EXPECT_LE(difference.max().item<int>(), 1);
  return difference.gt(0).to(at::kDouble).mean().item<double>();
}

TEST_P(GoldenRun, LatentsAndFramesEqualTheOfficialOnes) {
  const Golden golden("pipeline.safetensors");
  Models models = golden_models();
  const TempFolder folder;
  const auto run = golden_run(GetParam());
  Clip clip = clip_in(folder, job_of(run));
  render(clip, models);

  const std::string last = GetParam() + ".step" + std::to_string(clip.job.steps - 1) + ".latent";
  expect_close(GetParam() + " latents", load_latents(clip.files.latents).x, golden[last], run_tolerance);
  std::vector<at::Tensor> chunks;
  decode(clip.latents, models.vae(), [&](const Frames& some) { chunks.push_back(some.rgb); });
  const at::Tensor frames = at::cat(chunks);
  EXPECT_EQ(clip.frames_sha256, Sha256().update(frames.const_data_ptr(), frames.nbytes()).hex()) << "what was written";
  const Checkpoint file(golden_folder() / "pipeline.safetensors");
  const at::Tensor official = file.load(GetParam() + ".frames", at::kByte, at::kCPU);
  expect_within(GetParam() + " differing bytes", share_of_different_bytes(frames, official), 0.002);
}

TEST_P(GoldenRun, NoiseEqualsTheOfficialOne) {
  const Golden golden("pipeline.safetensors");
  Models models = golden_models();
  const TempFolder folder;
  Clip clip = clip_in(folder, job_of(golden_run(GetParam())));
  advance(clip, Stage::text, models);
  // A stop before the first step stores the noise.
  EXPECT_THROW(advance(clip, Stage::high, models, [](Stage, std::int64_t, std::int64_t) { return false; }),
               Interrupted);
  const auto state = load_state(clip.files.state, "test", at::kCPU);
  ASSERT_TRUE(state);
  // Without AVX2 LibTorch rounds logarithm and cosine otherwise, and so would the official code, whose noise was drawn
  // on a processor that has it.
  if (at::get_cpu_capability() == "DEFAULT")
    expect_close(GetParam() + " noise", state->state.x, golden[GetParam() + ".noise"], 1e-6);
  else
    EXPECT_TRUE(at::equal(state->state.x, golden[GetParam() + ".noise"]));
}

TEST_P(GoldenRun, StateAtTheBoundaryEqualsTheOfficialOne) {
  const Golden golden("pipeline.safetensors");
  Models models = golden_models();
  const TempFolder folder;
  const auto run = golden_run(GetParam());
  Clip clip = clip_in(folder, job_of(run));
  advance(clip, Stage::text, models);
  advance(clip, Stage::high, models);
  const int high_steps = run.at("high_noise_steps");
  EXPECT_EQ(clip.state.step, high_steps);
  expect_close(GetParam() + " at the boundary", clip.state.x,
               golden[GetParam() + ".step" + std::to_string(high_steps - 1) + ".latent"], run_tolerance);
}

TEST(Stages, EulerGivesTheLatentsThatWereComputedElsewhere) {
  Models models = golden_models();
  const TempFolder folder;
  Clip clip = clip_in(folder, job_of(golden_variant("euler8")));
  render(clip, models);
  expect_close("euler8 latents", clip.latents.x, Golden("variants/variants.safetensors")["euler8.latent"],
               run_tolerance);
}

TEST(Stages, WithSavedForwardsLatentsAreThoseThatWereComputedElsewhere) {
  Models models = golden_models();
  for (const std::string name : {"magcache", "magcache_k1"}) {
    const TempFolder folder;
    Clip clip = clip_in(folder, job_of(golden_variant(name)));
    ASSERT_TRUE(clip.job.saved.any());
    render(clip, models);
    expect_close(name + " latents", clip.latents.x, Golden("variants/variants.safetensors")[name + ".latent"],
                 run_tolerance);
  }
}

/// The clip of the golden run "unipc" as a model of few steps would render it.
Job lightning_job() {
  Job job = job_of(golden_variant("lightning"));
  EXPECT_FALSE(job.guidance.any());
  return job;
}

TEST(Stages, WithoutGuidanceNoNegativePromptIsEmbedded) {
  Models models = golden_models();
  const TempFolder folder;
  for (const Guidance& guidance : {Guidance{{}, {}}, Guidance{{}, 3.0}}) {
    Clip clip = clip_in(folder, lightning_job());
    clip.job.guidance = guidance;
    advance(clip, Stage::text, models);
    EXPECT_EQ(models.is_embedded(clip.job.negative_prompt), guidance.any()) << to_string(guidance);
    EXPECT_EQ(clip.text.negative.text.defined(), guidance.any()) << to_string(guidance);
  }
}

class InterruptedClip : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Guidance, InterruptedClip, testing::Values("guided", "unguided"),
                         [](const auto& guided) { return guided.param; });

TEST_P(InterruptedClip, ContinuesToTheSameBits) {
  Models models = golden_models();
  Job job = job_of(golden_run("unipc"));
  if (GetParam() == "unguided") job.guidance = {{}, {}};
  const TempFolder whole_folder, cut_folder;
  Clip whole = clip_in(whole_folder, job);
  render(whole, models);

  for (const int stop_at : {2, 5}) {  // within each expert's steps
    Clip first = clip_in(cut_folder, job);
    const auto gate = [&](Stage, std::int64_t step, std::int64_t) { return step != stop_at; };
    EXPECT_THROW(render(first, models, gate), Interrupted);
    Clip second = clip_in(cut_folder, job);
    render(second, models);
    EXPECT_EQ(second.steps_resumed, stop_at);
    EXPECT_EQ(second.latents_sha256, whole.latents_sha256);
    EXPECT_EQ(second.frames_sha256, whole.frames_sha256);
  }
}

void denoise_whole(Clip& clip, Models& models) {
  for (const Stage stage : {Stage::text, Stage::high, Stage::low}) advance(clip, stage, models);
}

TEST(Stages, AClipContinuesFromTheStateBeforeAnyStepToTheSameBits) {
  Models models = golden_models();
  const TempFolder whole_folder, cut_folder;
  Clip whole = clip_in(whole_folder, job_of(golden_run("unipc")));
  std::vector<Denoising> states;
  std::vector<at::Tensor> samples, predictions;  // copies of what they hold when they are shown
  whole.before_step = [&](const Denoising& state) {
    states.push_back(state);
    samples.push_back(state.x.clone());
    predictions.push_back(state.solver.m1.defined() ? state.solver.m1.clone() : at::Tensor());
  };
  denoise_whole(whole, models);
  ASSERT_EQ(std::ssize(states), whole.job.steps);
  states.push_back({whole.latents.x, {}, whole.job.steps});

  for (std::size_t step = 1; step < states.size(); ++step) {
    if (step < samples.size()) {
      EXPECT_TRUE(at::equal(states[step].x, samples[step])) << "a step changed the sample that it began with";
      EXPECT_TRUE(at::equal(states[step].solver.m1, predictions[step]));
    }
    store_state(cut_folder / "state.h5", {states[step], whole.text}, "test");
    Clip clip = clip_in(cut_folder, whole.job);
    denoise_whole(clip, models);
    EXPECT_EQ(clip.steps_resumed, static_cast<std::int64_t>(step));
    EXPECT_EQ(clip.latents_sha256, whole.latents_sha256);
  }
}

/// A clip of the job, which another group has taken through the stages before this one.
void expect_continued_at(Stage first, const Clip& whole, const TempFolder& folder, Models& models) {
  Clip clip = clip_in(folder, whole.job);
  for (const Stage stage : all_stages)
    if (stage >= first) advance(clip, stage, models);
  EXPECT_GT(clip.steps_resumed, 0);
  EXPECT_EQ(clip.latents_sha256, whole.latents_sha256);
  EXPECT_EQ(clip.frames_sha256, whole.frames_sha256);
}

TEST(Stages, AStoredClipBeginsWithTheStageItStoppedIn) {
  Models models = golden_models();
  const TempFolder whole_folder, cut_folder;
  Clip whole = clip_in(whole_folder, job_of(golden_run("unipc")));
  render(whole, models);

  Clip stopped = clip_in(cut_folder, whole.job);
  EXPECT_THROW(render(stopped, models, [](Stage, std::int64_t step, std::int64_t) { return step != 5; }), Interrupted);
  expect_continued_at(Stage::low, whole, cut_folder, models);
  store_state(cut_folder / "state.h5", {{whole.latents.x, {}, whole.job.steps}}, "test");
  expect_continued_at(Stage::decode, whole, cut_folder, models);
}

TEST(Stages, AStateThatEndsTooEarlyForItsStageIsRefusedAndRemoved) {
  Models models = golden_models();
  const TempFolder folder;
  Clip clip = clip_in(folder, job_of(golden_run("unipc")));
  EXPECT_THROW(render(clip, models, [](Stage, std::int64_t step, std::int64_t) { return step != 2; }), Interrupted);
  for (int attempt = 0; attempt < 2; ++attempt) {
    try {
      Clip again = clip_in(folder, clip.job);
      advance(again, Stage::low, models);
      FAIL() << "the high-noise expert's steps are missing";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Error::transient) << error.what();
    }
    EXPECT_FALSE(std::filesystem::exists(clip.files.state));
  }
}

TEST(Stages, PngFilesAreWrittenFrameByFrame) {
  Models models = golden_models();
  const TempFolder folder;
  Job job = job_of(golden_run("one_frame"));
  job.frames = 5;
  Clip clip = clip_in(folder, job);
  render(clip, models);
  EXPECT_TRUE(std::filesystem::exists(folder / "frames" / "00001.png"));
  EXPECT_TRUE(std::filesystem::exists(folder / "frames" / "00005.png"));
  EXPECT_FALSE(std::filesystem::exists(folder / "frames" / "00006.png"));
}

}  // namespace
}  // namespace wf
