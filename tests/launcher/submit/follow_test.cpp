// tests/launcher/submit/follow_test.cpp: a job that is followed to its end, with made-up answers of Slurm.
#include "launcher/submit/follow.hpp"

#include <gtest/gtest.h>

#include "base/clock.hpp"
#include "jobs/record/journal.hpp"
#include "tests/temp_folder.hpp"
#include "tests/text.hpp"

namespace wf {
namespace {

using test::TempFolder;

/// A run of the folder that began and ended with this code.
void record_run(const Path& output, int code) {
  Journal journal(output);
  journal.add({.kind = Event::began, .rank = 1, .text = "run"});
  journal.add({.kind = Event::ended, .text = "{}", .code = code});
}

int follow_to(const Path& output, const std::optional<JobState>& end, double submitted = unix_time() - 60) {
  return follow({.job = "42", .output = output, .shown = "renders", .submitted = submitted},
                [&](const std::string&) { return end; });
}

TEST(Follow, EndsWithTheCodeOfTheRunWhateverItsLauncherMadeOfIt) {
  const TempFolder folder;
  record_run(folder.path(), 75);
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(follow_to(folder.path(), JobState{.state = "FAILED", .reason = "NonZeroExitCode", .code = 137}), 75);
  const std::string text = ::testing::internal::GetCapturedStdout();
  EXPECT_TRUE(contains(text, "renders: ended at ")) << text;
  EXPECT_TRUE(contains(text, "job 42: FAILED, exit code 75 (stopped with work left)")) << text;
}

TEST(Follow, OfAJobThatNeverBeganEndsWithTheJobsCode) {
  const TempFolder folder;
  EXPECT_EQ(follow_to(folder.path(), JobState{.state = "CANCELLED", .reason = ""}), 75);
  EXPECT_EQ(follow_to(folder.path(), JobState{.state = "FAILED", .reason = "", .code = 3}), 3);
}

TEST(Follow, DoesNotTakeTheCodeOfAnEarlierRunOfTheFolder) {
  const TempFolder folder;
  record_run(folder.path(), 0);
  EXPECT_EQ(follow_to(folder.path(), JobState{.state = "FAILED", .reason = "", .code = 2}, unix_time() + 60), 2);
}

TEST(Follow, OfAJobThatSlurmForgotEndsWithTheCodeOfTheRun) {
  const TempFolder folder;
  record_run(folder.path(), 4);
  EXPECT_EQ(follow_to(folder.path(), {}), 4);
}

TEST(Follow, ShowsWhyAJobWaits) {
  const TempFolder folder;
  int asked = 0;
  ::testing::internal::CaptureStdout();
  const int code = follow({.job = "42", .output = folder.path(), .shown = "renders", .submitted = 0},
                          [&](const std::string&) -> std::optional<JobState> {
                            if (++asked == 1) return JobState{.state = "PENDING", .reason = "Priority"};
                            return JobState{.state = "COMPLETED", .reason = ""};
                          });
  EXPECT_TRUE(contains(::testing::internal::GetCapturedStdout(), "job 42: PENDING (Priority)\n"));
  EXPECT_EQ(code, 0);
}

}  // namespace
}  // namespace wf
