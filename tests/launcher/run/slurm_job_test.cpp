// tests/launcher/run/slurm_job_test.cpp: what a run tells Slurm of itself, and when it stops for the end of its job.
// The answers of Slurm are made up.
#include "launcher/run/slurm_job.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "tests/text.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;

LiveStatus running(std::size_t done, std::size_t clips, double eta_seconds) {
  LiveStatus status;
  status.state = "running";
  status.done = done, status.clips = clips, status.eta_seconds = eta_seconds;
  return status;
}

/// Slurm, as far as a run sees it.
struct MadeUpSlurm {
  std::mutex mutex;
  std::optional<JobState> state = JobState{.state = "RUNNING", .reason = ""};
  bool takes_comments = true;
  std::vector<std::string> comments;
  std::atomic<int> questions = 0;

  SlurmAccess access() {
    return {.state =
                [this](const std::string&) {
                  const std::scoped_lock lock(mutex);
                  ++questions;
                  return state;
                },
            .set_comment =
                [this](const std::string&, const std::string& comment) {
                  const std::scoped_lock lock(mutex);
                  comments.push_back(comment);
                  return takes_comments;
                },
            .period = 1ms};
  }
  void set_end(double time) {
    const std::scoped_lock lock(mutex);
    state->ends = time;
  }
  /// Waits until Slurm was given this comment, or any.
  void wait_for_comment(const std::string& wanted = "") {
    for (bool is_there = false; !is_there; std::this_thread::sleep_for(1ms)) {
      const std::scoped_lock lock(mutex);
      is_there = !comments.empty() && (wanted.empty() || comments.back() == wanted);
    }
  }
  /// Waits until an answer that was asked for from now on has been taken in.
  void wait_for_answers() const {
    const int before = questions;
    while (questions < before + 2) std::this_thread::sleep_for(1ms);
  }
};

const OwnJob job{.id = "17", .name = "17"};

TEST(ProgressComment, HasClipsAndTheTimeLeft) {
  EXPECT_EQ(progress_comment(running(142, 248, 3 * 3600 + 10 * 60)), "142/248, eta 3:10 h");
  EXPECT_EQ(progress_comment(running(0, 6, -1)), "0/6");
  EXPECT_EQ(progress_comment(running(5, 6, 20)), "5/6, eta 0:00 h");
  LiveStatus draining = running(5, 6, 20);
  draining.state = "draining", draining.failed = 1, draining.quarantined = 2;
  EXPECT_EQ(progress_comment(draining), "5/6, 3 failed, draining");
}

TEST(SlurmJob, LeavesTheLastStandingInTheComment) {
  MadeUpSlurm slurm;
  {
    SlurmJob own(job, 60, slurm.access());
    slurm.wait_for_answers();
    own.show(running(1, 2, 60));
    own.show(running(2, 2, 0));
  }
  ASSERT_FALSE(slurm.comments.empty());
  EXPECT_EQ(slurm.comments.back(), "2/2, eta 0:00 h");
}

TEST(SlurmJob, GoesOnWithACommentOfItsOwnAndLeavesOthersAlone) {
  for (const auto& [comment, is_replaced] :
       {std::pair("", true), {"142/248,", true}, {"6/6", true}, {"project-7", false}, {"1/2x", false}}) {
    MadeUpSlurm slurm;
    slurm.state->comment = comment;
    {
      SlurmJob own(job, 60, slurm.access());
      slurm.wait_for_answers();
      own.show(running(1, 2, 60));
    }
    EXPECT_EQ(!slurm.comments.empty(), is_replaced) << comment;
  }
}

TEST(SlurmJob, TriesNoMoreCommentsAfterThreeThatSlurmRefused) {
  MadeUpSlurm slurm;
  slurm.takes_comments = false;
  {
    SlurmJob own(job, 60, slurm.access());
    own.show(running(1, 9, 60));
    slurm.wait_for_comment();
    slurm.wait_for_answers();
    own.show(running(2, 9, 60));
    slurm.wait_for_answers();
  }
  EXPECT_EQ(slurm.comments.size(), 3u);
}

TEST(SlurmJob, ShowsAtOnceThatTheRunHasAnotherState) {
  MadeUpSlurm slurm;
  SlurmAccess access = slurm.access();
  access.period = 10min;
  SlurmJob own(job, 60, access);
  own.show(running(1, 2, 60));
  slurm.wait_for_comment();
  LiveStatus draining = running(1, 2, 60);
  draining.state = "draining";
  own.show(draining);
  slurm.wait_for_comment("1/2, draining");
}

TEST(SlurmJob, StopsTheRunAReserveBeforeItsEnd) {
  MadeUpSlurm slurm;
  const double end = unix_time() + 1000;
  slurm.set_end(end);
  SlurmJob own(job, 60, slurm.access());
  slurm.wait_for_answers();
  EXPECT_EQ(own.why_stop(end - 61), "");
  EXPECT_TRUE(contains(own.why_stop(end - 59), "job 17 ends at ")) << own.why_stop(end - 59);
}

TEST(SlurmJob, KeepsHalfOfAShortJobForWork) {
  MadeUpSlurm slurm;
  const double end = unix_time() + 40;
  slurm.set_end(end);
  SlurmJob own(job, 60, slurm.access());
  slurm.wait_for_answers();
  EXPECT_EQ(own.why_stop(end - 21), "");
  EXPECT_NE(own.why_stop(end - 10), "");
}

TEST(SlurmJob, TakesUpATimeLimitThatIsChanged) {
  MadeUpSlurm slurm;
  const double end = unix_time() + 1000;
  slurm.set_end(end);
  SlurmJob own(job, 60, slurm.access());
  slurm.wait_for_answers();
  ASSERT_NE(own.why_stop(end), "");
  slurm.set_end(end + 3600);
  slurm.wait_for_answers();
  EXPECT_EQ(own.why_stop(end), "");
}

TEST(SlurmJob, OfASilentSlurmStopsNothing) {
  MadeUpSlurm slurm;
  slurm.state.reset();
  {
    SlurmJob own(job, 60, slurm.access());
    slurm.wait_for_answers();
    own.show(running(1, 2, 60));
    EXPECT_EQ(own.why_stop(1e12), "");
  }
  EXPECT_TRUE(slurm.comments.empty()) << "whose comment there is, is not known";
}

}  // namespace
}  // namespace wf
