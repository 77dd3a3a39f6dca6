// tests/launcher/run/pipeline_work_test.cpp: what becomes of clips that wait between two groups, or fail, when a run
// stops.
#include "launcher/run/pipeline_work.hpp"

#include <fstream>

#include "base/error.hpp"
#include "launcher/options/model_choice.hpp"
#include "pipeline/stages/store.hpp"
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

  PipelineWork work() {
    return PipelineWork({.jobs = jobs_,
                         .models = models_,
                         .folder = OutputFolder(folder_.path()),
                         .options = options_,
                         .placement = "",
                         .ranks = "0",
                         .leads = true,
                         .gate = [](const Activity&) { return true; }});
  }

  /// Computes the stages first..last.
  static void compute(PipelineWork& work, Stage first, Stage last) {
    for (const Stage stage : all_stages) {
      if (first <= stage && stage <= last) {
        EXPECT_TRUE(work.advance(stage, {}));
      }
    }
  }

  /// The frames of the clip, begun with this stage from what is on the disk.
  std::string frames_from(Stage first) {
    PipelineWork work = this->work();
    work.begin(0, nullptr);
    compute(work, first, Stage::decode);
    return sidecar_from(work.finish()().sidecar).frames_sha256;
  }

  Path stored() const {
    const std::string hash = fingerprint(jobs_[0], recipe_of(models_.id(), models_.execution()));
    return OutputFolder(folder_.path()).stored_state(hash);
  }

  TempFolder folder_;
  RunOptions options_;
  std::vector<Job> jobs_{job_of(golden_run("unipc"))};
  Models models_{golden_model(), golden_execution()};
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

}  // namespace
}  // namespace wf
