// tests/launcher/run/pipeline_work_test.cpp: what is on the disk of clips that wait between two groups, fail, or are
// under way when a run stops or is killed.
#include "launcher/run/pipeline_work.hpp"

#include <chrono>
#include <fstream>
#include <thread>

#include "base/error.hpp"
#include "launcher/options/model_choice.hpp"
#include "pipeline/stages/store.hpp"
#include "pipeline/video/picture.hpp"
#include "tests/pipeline/stages/golden_clip.hpp"

namespace wf {
namespace {

using test::TempFolder;

/// The work of the only rank of a run of one clip.
class OneClip : public testing::Test {
 protected:
  OneClip() {
    make_folder(folder_ / ".wanfarm/work");
    make_folder(folder_ / ".wanfarm/store");
    options_.video.codec = VideoCodec::y4m;
  }

  PipelineWork::Setting setting_with(Models& models) {
    return {.jobs = jobs_,
            .models = models,
            .folder = OutputFolder(folder_.path()),
            .options = options_,
            .placement = "",
            .ranks = "0",
            .gate = [this](const Activity& activity) { return gate_(activity); },
            .now = [this] { return now_; }};
  }
  PipelineWork work() { return PipelineWork(setting_with(models_)); }

  /// Computes the stages first..last.
  static void compute(PipelineWork& work, Stage first, Stage last) {
    for (const Stage stage : all_stages) {
      if (first <= stage && stage <= last) {
        EXPECT_TRUE(work.advance(stage, {}));
      }
    }
  }

  /// The clip, begun with this stage from what is on the disk.
  Sidecar clip_from(Stage first) {
    PipelineWork work = this->work();
    work.begin(0, nullptr);
    compute(work, first, Stage::decode);
    return sidecar_from(work.finish()().sidecar);
  }
  std::string frames_from(Stage first) { return clip_from(first).frames_sha256; }

  /// The same in pools, of which one takes the clip to the boundary and the other one from there.
  Sidecar clip_in_pools() {
    PipelineWork high = work(), low = work();
    high.begin(0, nullptr);
    compute(high, Stage::text, Stage::high);
    const Bytes state = high.stash()();
    low.begin(0, &state);
    compute(low, Stage::low, Stage::decode);
    return sidecar_from(low.finish()().sidecar);
  }

  /// The states before each step but the first, and the latents, as they are stored while the clip is under way.
  std::vector<StoredState> states_of_clip() {
    const TempFolder other;
    Clip clip = clip_in(other, jobs_[0]);
    std::vector<StoredState> states;
    clip.before_step = [&](const Denoising& state) {
      if (state.step > 0) states.push_back({state, clip.text});
    };
    render(clip, models_);
    states.push_back({{clip.latents.x, {}, clip.job.steps}, clip.text});
    return states;
  }

  /// By the work's clock, each step takes this many seconds. The interval of --checkpoint is 120 unless it is set.
  void steps_take(double seconds) {
    gate_ = [this, seconds](const Activity&) { return now_ += seconds, true; };
  }

  std::int64_t stored_steps() const {
    const std::string hash = fingerprint(jobs_[0], recipe_of(models_.id(), models_.execution(), false));
    return stored_step(stored(), hash).value_or(-1);
  }

  Path stored() const {
    const std::string hash = fingerprint(jobs_[0], recipe_of(models_.id(), models_.execution(), false));
    return OutputFolder(folder_.path()).stored_state(hash);
  }

  TempFolder folder_;
  RunOptions options_;
  Gate gate_ = [](const Activity&) { return true; };
  double now_ = 1000;
  std::vector<Job> jobs_{job_of(golden_run("unipc"))};
  Models models_{ModelSource{golden_model()}, golden_execution()};
};

TEST_F(OneClip, AStashedClipThatIsStoredGoesOnWhereItWas) {
  const std::string frames = frames_from(Stage::text);
  for (const Stage last : {Stage::high, Stage::low}) {
    PipelineWork work = this->work();
    work.begin(0, nullptr);
    compute(work, Stage::text, last);
    const Bytes state = work.stash()();
    work.store(0, state);
    ASSERT_TRUE(std::filesystem::exists(stored())) << "after " << to_string(last);
    EXPECT_EQ(frames_from(last == Stage::high ? Stage::low : Stage::decode), frames);
    EXPECT_FALSE(std::filesystem::exists(stored())) << "the clip is finished";
  }
}

TEST_F(OneClip, IsFinishedWithItsContactSheetAndAlsoWhereThatCannotBePublished) {
  const auto sheet = [this](const Sidecar& clip) {
    return OutputFolder(folder_.path()).contact_sheet(clip.fingerprint, small_file_ending());
  };
  const Sidecar without = clip_from(Stage::text);  // there is no folder for it
  EXPECT_FALSE(std::filesystem::exists(sheet(without)));
  make_folder(folder_ / ".wanfarm/thumbs");
  const Sidecar with = clip_from(Stage::text);
  EXPECT_EQ(with.frames_sha256, without.frames_sha256);
  EXPECT_TRUE(std::filesystem::exists(sheet(with)));
}

TEST_F(OneClip, AClipWhoseDecodingFailsKeepsItsLatents) {
  const std::string frames = frames_from(Stage::text);
  PipelineWork work = this->work();
  work.begin(0, nullptr);
  compute(work, Stage::text, Stage::low);
  const Path part = OutputFolder(folder_.path()).part(jobs_[0].name + ".y4m");
  make_folder(part);  // so that the video cannot be created
  EXPECT_THROW(work.advance(Stage::decode, {}), Error);
  std::filesystem::remove(part);
  EXPECT_EQ(frames_from(Stage::decode), frames);
}

/// stages_test continues in one group from every step. Here a group of one pool passes the clip on to the other pool,
/// with nothing to do for it when the state is that far.
TEST_F(OneClip, ThatALostRankLeftInAnyStageGoesOnInPools) {
  const std::string frames = frames_from(Stage::text);
  const std::string hash = fingerprint(jobs_[0], recipe_of(models_.id(), models_.execution(), false));
  const std::int64_t boundary = high_noise_steps(jobs_[0]);
  for (const StoredState& state : states_of_clip()) {
    const std::int64_t step = state.state.step;
    if (step != 1 && step != boundary && step != boundary + 1 && step != jobs_[0].steps) continue;
    store_state(stored(), state, hash);
    const Sidecar sidecar = clip_in_pools();
    EXPECT_EQ(sidecar.frames_sha256, frames) << "from step " << step;
    EXPECT_EQ(sidecar.how.at("steps_resumed"), std::to_string(step));
  }
}

TEST_F(OneClip, IsStoredWithTheFirstStepAfterTheInterval) {
  std::int64_t stored_at_last = -1;
  gate_ = [&](const Activity& now) {
    if (now.stage == Stage::high && now.step == 2) now_ += 120;
    if (now.stage == Stage::low && now.step == jobs_[0].steps - 1) {
      for (int tries = 0; tries < 600 && stored_steps() < 0; ++tries)
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
      stored_at_last = stored_steps();
    }
    return true;
  };
  EXPECT_EQ(clip_from(Stage::text).how.at("steps_resumed"), "0");
  EXPECT_EQ(stored_at_last, 3);
  EXPECT_FALSE(std::filesystem::exists(stored())) << "the clip is finished";
}

TEST_F(OneClip, IsOnTheDiskBeforeAnotherGroupGoesOnWithIt) {
  steps_take(10);
  for (const Stage last : {Stage::high, Stage::low}) {
    PipelineWork work = this->work();
    work.begin(0, nullptr);
    compute(work, Stage::text, last);
    work.stash()();
    EXPECT_EQ(stored_steps(), last == Stage::high ? high_noise_steps(jobs_[0]) : jobs_[0].steps);
  }
}

TEST_F(OneClip, ThatIsTrivialIsNotStored) {
  steps_take(1);
  PipelineWork work = this->work();
  work.begin(0, nullptr);
  compute(work, Stage::text, Stage::high);
  work.stash()();
  EXPECT_EQ(stored_steps(), -1);
}

/// A disk so slow that states are still being written when their clip is finished, or stopped.
class SlowDisk : public OneClip {
 protected:
  SlowDisk() {
    inject_file_faults([](FileStep step, const Path& path) {
      if (step == FileStep::rename && path.extension() == ".h5")
        std::this_thread::sleep_for(std::chrono::milliseconds(500));
      return 0;
    });
  }
  ~SlowDisk() override { inject_file_faults({}); }
};

TEST_F(SlowDisk, LeavesNoStateOfAFinishedClip) {
  steps_take(10);
  clip_from(Stage::text);
  std::this_thread::sleep_for(std::chrono::milliseconds(700));  // for what might still come
  EXPECT_TRUE(std::filesystem::is_empty(stored().parent_path()));
}

TEST_F(SlowDisk, KeepsTheLastStateOfAStoppedClip) {
  const std::int64_t last = jobs_[0].steps - 1;
  gate_ = [&](const Activity& now) {
    now_ += 10;
    return now.stage != Stage::low || now.step < last;
  };
  PipelineWork work = this->work();
  work.begin(0, nullptr);
  compute(work, Stage::text, Stage::high);
  EXPECT_FALSE(work.advance(Stage::low, {})) << "it is stopped while the state at the boundary is being written";
  std::this_thread::sleep_for(std::chrono::milliseconds(700));
  EXPECT_EQ(stored_steps(), last);
}

TEST_F(OneClip, WhoseStateCannotBeStoredIsRenderedAllTheSame) {
  const std::string frames = frames_from(Stage::text);
  steps_take(10);
  inject_file_faults([](FileStep, const Path& path) { return path.extension() == ".h5" ? ENOSPC : 0; });
  EXPECT_EQ(frames_from(Stage::text), frames);
  inject_file_faults({});
}

/// More clips than one would look ahead by accident, with one negative prompt. The text encoder's file goes after the
/// first text stage.
TEST_F(OneClip, EmbedsTheTextsOfAllClipsThatAreLeftAtOnceIfTheTextEncoderDoesNotStay) {
  constexpr std::size_t clips = 1200, finished = 1;
  jobs_.resize(clips, jobs_[0]);
  for (std::size_t i = 0; i < clips; ++i) jobs_[i].prompt = std::to_string(i);
  const Path model = folder_ / "model";
  std::filesystem::copy(golden_model(), model, std::filesystem::copy_options::recursive);
  Execution leaving = golden_execution();
  leaving.keep_text_encoder = false;
  Models models(ModelSource{model}, leaving);
  PipelineWork::Setting setting = setting_with(models);
  setting.finished = {finished};
  PipelineWork work(setting);
  for (const std::size_t clip : {std::size_t{0}, clips - 1}) {
    work.begin(clip, nullptr);
    compute(work, Stage::text, Stage::text);
    std::filesystem::remove(model / "models_t5_umt5-xxl-enc-bf16.pth");
  }
  EXPECT_TRUE(models.is_embedded(jobs_[2].prompt));
  EXPECT_FALSE(models.is_embedded(jobs_[finished].prompt));
}

/// The expert's files go once the model was read, so that loading fails: behind the high-noise steps, and again when
/// the expert is needed.
TEST_F(OneClip, FailsWithTheFileOfAnExpertThatCannotBeLoadedBehind) {
  const Path model = folder_ / "model";
  std::filesystem::copy(golden_model(), model, std::filesystem::copy_options::recursive);
  Models models(ModelSource{model}, golden_execution());
  std::filesystem::remove(model / "low_noise_model/diffusion_pytorch_model-00002-of-00003.safetensors");
  PipelineWork::Setting setting = setting_with(models);
  setting.loads_behind = true;
  PipelineWork work(setting);
  work.begin(0, nullptr);
  compute(work, Stage::text, Stage::high);
  try {
    work.advance(Stage::low, {});
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::environment);
    const std::string text = error.what();
    EXPECT_NE(text.find("diffusion_pytorch_model-00002-of-00003.safetensors"), std::string::npos) << text;
    EXPECT_NE(text.find("job " + jobs_[0].name), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace wf
