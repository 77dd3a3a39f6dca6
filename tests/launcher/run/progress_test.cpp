// tests/launcher/run/progress_test.cpp: the line of the progress bar, and those of ranks.
#include "launcher/run/progress.hpp"

#include <gtest/gtest.h>

#include <array>

namespace wf {
namespace {

TEST(Bar, SaysClipStageStepAndTimeLeft) {
  const Standing standing{
      .ended = 2, .clips = 6, .at_work = {{"0003-a-red-kite", Stage::high, 12, 40}}, .share = 0.5, .eta_seconds = 252};
  EXPECT_EQ(bar_line(standing, 200), "[##########----------] 3/6 0003-a-red-kite high 12/40, 4:12 left");
}

TEST(Bar, CountsTheClipsOfSeveralGroups) {
  const Standing standing{.ended = 2, .clips = 6, .at_work = {{"a"}, {"b"}, {"c"}}, .share = 0.25};
  EXPECT_EQ(bar_line(standing, 200), "[#####---------------] 2/6 done, 3 at work");
}

TEST(Bar, IsNeverWiderThanTheTerminal) {
  const Standing standing{.clips = 1, .at_work = {{std::string(300, 'n')}}};
  for (const std::size_t width : {1u, 10u, 79u}) {
    EXPECT_EQ(bar_line(standing, width).size(), width);
    EXPECT_EQ(rank_line(3, standing.at_work[0], width).size(), width);
  }
}

TEST(Bar, ASingleStepIsNotCounted) {
  EXPECT_EQ(bar_line({.clips = 2, .at_work = {{"a", Stage::decode}}}, 80), "[--------------------] 1/2 a decode");
}

TEST(RankLine, SaysWhatTheRankIsAt) {
  EXPECT_EQ(rank_line(3, {"0003-a-red-kite", Stage::low, 13, 40}, 80), "rank 003 0003-a-red-kite low 13/40");
  EXPECT_EQ(rank_line(12, {}, 80), "rank 012 waiting");
}

std::vector<Job> two_jobs() {
  std::vector<Job> jobs(2);
  jobs[1].steps = 20;
  return jobs;
}

/// 1 s for texts, 10 s for every 10 steps, 4 s for decoding.
double predicted_seconds(const Job& job, Stage stage) {
  const std::array seconds{1.0, 0.6 * job.steps, 0.4 * job.steps, 4.0, 0.0};
  return seconds[static_cast<std::size_t>(stage)];
}

TEST(PredictedWork, AClipIsDoneInTheSharesThatThePlannerPredicts) {
  const PredictedWork work(two_jobs(), predicted_seconds);
  EXPECT_DOUBLE_EQ(work.whole(0), 45);
  EXPECT_DOUBLE_EQ(work.whole(1), 25);
  EXPECT_DOUBLE_EQ(work.done(0, {"a", Stage::text}), 0);
  EXPECT_DOUBLE_EQ(work.done(0, {"a", Stage::high, 0, 40}), 1);
  EXPECT_DOUBLE_EQ(work.done(0, {"a", Stage::low, 30, 40}), 31);
  EXPECT_DOUBLE_EQ(work.done(1, {"b", Stage::decode}), 21);
  EXPECT_DOUBLE_EQ(work.done(1, {"b", Stage::write}), 25);
}

TEST(ProgressDisplay, IsFullWhenEveryClipWasFoundFinished) {
  std::vector<Job> jobs(7);
  for (std::size_t job = 0; job < jobs.size(); ++job) jobs[job].steps = 1 + static_cast<int>(job);
  // Subtracting these seconds from their sum, one by one, leaves 7e-15 and not 0.
  ProgressDisplay display(
      jobs, [](const Job& job, Stage) { return 0.7 * job.steps; }, true, 0);
  for (std::size_t job = 0; job < jobs.size(); ++job) display.skip(job);
  std::string text;
  while (text.empty()) {  // nothing is drawn in the first 100 ms
    testing::internal::CaptureStderr();
    display.at_work({});
    text = testing::internal::GetCapturedStderr();
  }
  EXPECT_NE(text.find("[####################] 7/7"), std::string::npos) << text;
}

}  // namespace
}  // namespace wf
