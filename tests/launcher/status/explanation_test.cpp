// tests/launcher/status/explanation_test.cpp: what `wanfarm explain` tells of a clip.
#include "launcher/status/explanation.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/error.hpp"
#include "jobs/output/publish.hpp"
#include "jobs/record/advice.hpp"
#include "tests/launcher/status/told_run.hpp"
#include "tests/temp_folder.hpp"
#include "tests/text.hpp"

namespace wf {
namespace {

using test::told_run;

class Explanation : public ::testing::Test {
 protected:
  Explanation() {
    ::setenv("TZ", "UTC", 1);
    ::tzset();
  }
  static std::string of(std::size_t clip, const RunHistory& history = told_run(), double at = test::now) {
    return explanation_text(history, clip, "renders", at, {});
  }
};

TEST_F(Explanation, OfAFailedClipTellsItsAttemptsTheCauseAndWhatToDo) {
  EXPECT_EQ(of(3), R"(0004-kite: failed
prompt    A red kite over a green field
clip      832x480, 81 frames at 16 per second, 40 steps, seed 42
          guidance high 4, low 3; unipc, shift 12; number 4 in its list

Sun 29 Nov 2026
14:03:40  given to rank 1 (n1), text to write, attempt 1
14:03:41  low on rank 1 (n1)
14:03:50  attempt 1 failed at low: out of memory: low wanted 12 GiB, 3 GiB were
          free; it will be tried again
14:04:20  given to rank 1 (n1), text to write, attempt 2
14:04:30  attempt 2 failed at low: out of memory: low wanted 12 GiB, 3 GiB were
          free

cause     Memory ran out, or other ranks could not be reached.
to do     Give it a smaller size or fewer frames, or render with --placement
          swap or --text-device cpu. The next start of the run tries it again;
          in a run that is at work, `wanfarm control renders retry 0004-kite`
          does.
)");
}

TEST_F(Explanation, OfAClipThatWasSetAsideNamesTheLostRank) {
  const std::string text = of(4);
  EXPECT_TRUE(contains(text, "14:04:10  rank 2 (n2) is lost: sends nothing for 8 s")) << text;
  EXPECT_TRUE(contains(text, "14:04:11  set aside: two ranks were lost with it")) << text;
  EXPECT_TRUE(contains(text, "--only 0005-kite --ranks 1")) << text;
}

TEST_F(Explanation, OfADoneClipTellsWhatItTookAndNothingToDo) {
  const std::string text = of(0);
  EXPECT_TRUE(contains(text, "14:05:00  done in 80.5 s of work: 0001-kite.mp4")) << text;
  EXPECT_TRUE(contains(text, "took      high 50.0 s, low 30.5 s")) << text;
  EXPECT_FALSE(contains(text, "to do")) << text;
}

TEST_F(Explanation, TellsHowManyForwardsAreSavedAndBecauseOfWhat) {
  RunHistory history = told_run();
  Job& job = history.clips.at(0).clip.job;
  job.step_cache = StepCache{};
  job.guidance_interval = GuidanceInterval{3, 30};
  EXPECT_TRUE(contains(of(0, history), "          no forward saved: step cache magcache:0.06,2,0.4, guidance interval"))
      << of(0, history);
  job.saved = {{20, 21}, {20}, {39}};
  EXPECT_TRUE(contains(of(0, history), "          4 of 80 forwards saved: step cache magcache:0.06,2,0.4, guidance"))
      << of(0, history);
  EXPECT_FALSE(contains(of(0), "forward")) << "of a clip that asks for none";
}

TEST_F(Explanation, OfAClipThatNobodyTouchedSaysSo) {
  EXPECT_TRUE(contains(of(5), "Nothing has happened to it yet.")) << of(5);
  EXPECT_TRUE(contains(of(5), "cause     It has not begun.")) << of(5);
}

TEST_F(Explanation, OfARunningClipSaysWhetherTheRunIsStillThere) {
  EXPECT_TRUE(contains(of(2), "cause     It is being rendered.")) << of(2);
  const std::string silent = of(2, told_run(), test::now + 60);
  EXPECT_TRUE(contains(silent, "cause     It was being rendered when the run fell silent")) << silent;
}

TEST_F(Explanation, SaysThatAStateIsKept) {
  const test::TempFolder folder;
  RunHistory history = told_run();
  history.output = folder.path();
  EXPECT_FALSE(contains(of(5, history), "\nkept"));
  const Path state = OutputFolder(folder.path()).stored_state("f6");
  make_folder(state.parent_path());
  write_file(state, "");
  EXPECT_TRUE(contains(of(5, history), "kept      Its state is on the disk: it goes on from there.")) << of(5, history);
}

TEST_F(Explanation, GivesAdviceOnEveryKindOfError) {
  for (int kind = Error::input; kind <= Error::internal; ++kind) {
    const char* const name = to_string(static_cast<Error::Kind>(kind));
    EXPECT_NE(cause_of(name), cause_of("none of them")) << name;
  }
}

TEST_F(Explanation, AsJsonHasTheEvents) {
  const auto json = explanation_json(told_run(), 3, "renders", test::now);
  EXPECT_EQ(json.at("state"), "failed");
  EXPECT_EQ(json.at("attempts"), 2);
  ASSERT_EQ(json.at("events").size(), 5u);
  EXPECT_EQ(json.at("events")[2].at("k"), "failed");
  EXPECT_EQ(json.at("kept_state"), false);
}

}  // namespace
}  // namespace wf
