// tests/launcher/run/progress_test.cpp: the line of the progress bar, and those of ranks.
#include "launcher/run/progress.hpp"

#include <gtest/gtest.h>

#include "base/log.hpp"

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

TEST(Bar, ALongNameIsShortenedBeforeTheStepAndTheTimeLeft) {
  const std::string name = "0003-a-red-kite-over-a-green-field-at-dusk-s42";
  const Activity activity{name, Stage::high, 112, 200};
  const Standing standing{.ended = 2, .clips = 1000, .at_work = {activity}, .share = 0.5, .eta_seconds = 3852};
  EXPECT_EQ(bar_line(standing, 79), "[##########----------] 3/1000 0003-a-red-kite-ove... high 112/200, 1:04:12 left");
  EXPECT_EQ(bar_line(standing, 200), "[##########----------] 3/1000 " + name + " high 112/200, 1:04:12 left");
  EXPECT_EQ(rank_line(3, activity, 40), "rank 003 0003-a-red-kite... high 112/200");
  EXPECT_EQ(rank_line(3, {"\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4", Stage::low, 1, 2}, 29),
            "rank 003 \u00e4\u00e4\u00e4\u00e4... low 1/2")
      << "no character is cut in two";
}

TEST(Bar, ASingleStepIsNotCounted) {
  EXPECT_EQ(bar_line({.clips = 2, .at_work = {{"a", Stage::decode}}}, 80), "[--------------------] 1/2 a decode");
}

TEST(RankLine, SaysWhatTheRankIsAt) {
  EXPECT_EQ(rank_line(3, {"0003-a-red-kite", Stage::low, 13, 40}, 80), "rank 003 0003-a-red-kite low 13/40");
  EXPECT_EQ(rank_line(12, {}, 80), "rank 012 waiting");
}

TEST(ProgressDisplay, IsFullWhenEveryClipWasFoundFinished) {
  std::vector<Job> jobs(7);
  for (std::size_t job = 0; job < jobs.size(); ++job) jobs[job].steps = 1 + static_cast<int>(job);
  // Subtracting these seconds from their sum, one by one, leaves 7e-15 and not 0.
  ProgressDisplay display(
      jobs, [](const Job& job, Stage) { return 0.7 * job.steps; }, 1, true, 0);
  for (std::size_t job = 0; job < jobs.size(); ++job) {
    display.no_work(job);
    display.end(job);
  }
  std::string text;
  while (text.empty()) {  // nothing is drawn in the first 100 ms
    testing::internal::CaptureStderr();
    display.at_work({});
    text = testing::internal::GetCapturedStderr();
  }
  EXPECT_NE(text.find("[####################] 7/7"), std::string::npos) << text;
}

/// What `action` writes to stderr.
template <class Action>
std::string stderr_of(const Action& action) {
  testing::internal::CaptureStderr();
  action();
  return testing::internal::GetCapturedStderr();
}

TEST(ProgressDisplay, OnlyLinesThatTheTerminalShowsTakeTheBarAway) {
  open_log(LogLevel::info, 0);
  ProgressDisplay display(
      std::vector<Job>(2), [](const Job&, Stage) { return 1.0; }, 1, true, 0);
  while (stderr_of([&] { display.at_work({}); }).empty()) {  // nothing is drawn in the first 100 ms
  }
  EXPECT_EQ(stderr_of([] { spdlog::debug("for the file"); }), "");
  EXPECT_TRUE(stderr_of([] { spdlog::info("for all"); }).starts_with("\r\033[J"));
}

TEST(ProgressDisplay, TheFirstLineAlreadySaysHowLongTheRunWillTake) {
  const std::vector<Job> jobs(6);
  ProgressDisplay display(
      jobs, [](const Job&, Stage) { return 1000.0; }, 3, true, 0);
  std::string text;
  while (text.empty()) text = stderr_of([&] { display.at_work({}); });
  EXPECT_NE(text.find("0/6 done, 0 at work, 2:46:40 left"), std::string::npos) << text;  // 6 * 5 * 1000 s / 3
}

}  // namespace
}  // namespace wf
