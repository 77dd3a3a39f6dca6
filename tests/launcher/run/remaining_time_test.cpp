// tests/launcher/run/remaining_time_test.cpp: the time left of a run: predicted at first, then measured.
#include "launcher/run/remaining_time.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

namespace wf {
namespace {

/// Clips "0", "1", ... of 40 steps.
std::vector<Job> clips(std::size_t count) {
  std::vector<Job> jobs(count);
  for (std::size_t i = 0; i < count; ++i) jobs[i].name = std::to_string(i);
  return jobs;
}

/// 1 s for texts, 1 s for every step (6 of 10 with the high-noise expert), 4 s for decoding: 45 s for 40 steps.
double predicted_seconds(const Job& job, Stage stage) {
  const std::array seconds{1.0, 0.6 * job.steps, 0.4 * job.steps, 4.0, 0.0};
  return seconds[static_cast<std::size_t>(stage)];
}

RemainingTime time_of(std::size_t count, std::size_t groups) { return {clips(count), predicted_seconds, groups}; }

/// What a rank reports in a step of a clip of 40 steps.
Activity at_step(const std::string& clip, std::int64_t step) {
  return {clip, step < 24 ? Stage::high : Stage::low, step, 40};
}

/// Lets one rank take clip "0" up to this step, each step taking `seconds`; returns the time then.
double take_steps(RemainingTime& time, std::int64_t steps, double seconds) {
  for (std::int64_t step = 0; step <= steps; ++step)
    time.observe({at_step("0", step)}, static_cast<double>(step) * seconds);
  return static_cast<double>(steps) * seconds;
}

TEST(PredictedWork, LeavesOfAClipWhatThePlannerPredictsForTheStagesAndStepsToCome) {
  std::vector<Job> jobs = clips(2);
  jobs[1].steps = 20;
  const PredictedWork work(jobs, predicted_seconds);
  EXPECT_EQ(work.left(0, {"0"}), (SecondsByStage{1, 24, 16, 4, 0}));
  EXPECT_EQ(work.left(0, at_step("0", 0)), (SecondsByStage{0, 24, 16, 4, 0}));
  EXPECT_EQ(work.left(0, at_step("0", 10)), (SecondsByStage{0, 14, 16, 4, 0}));
  EXPECT_EQ(work.left(0, at_step("0", 30)), (SecondsByStage{0, 0, 10, 4, 0}));
  EXPECT_EQ(work.left(1, {"1", Stage::decode}), (SecondsByStage{0, 0, 0, 4, 0}));
  EXPECT_EQ(work.left(1, {"1", Stage::write}), (SecondsByStage{}));
  EXPECT_DOUBLE_EQ(work.unit(0, {"0"}), 1);
  EXPECT_DOUBLE_EQ(work.unit(1, {"1", Stage::low, 3, 20}), 1);
  EXPECT_DOUBLE_EQ(work.unit(1, {"1", Stage::decode}), 4);
}

TEST(PredictedWork, AStepOfAnExpertThatIsNotGuidedTakesHalfAsLong) {
  std::vector<Job> jobs = clips(1);
  jobs[0].guidance.low = {};
  const double high = 26 * 2, low = 14;  // steps at shift 12, a second a forward
  const PredictedWork work(jobs, [&](const Job&, Stage stage) {
    return stage == Stage::high ? high : stage == Stage::low ? low : 0;
  });
  const auto expect_left = [&](Stage stage, std::int64_t step, double of_high, double of_low) {
    const SecondsByStage left = work.left(0, {"0", stage, step, 40});
    EXPECT_NEAR(left[static_cast<std::size_t>(Stage::high)], of_high, 1e-9) << step;
    EXPECT_NEAR(left[static_cast<std::size_t>(Stage::low)], of_low, 1e-9) << step;
  };
  expect_left(Stage::high, 10, 32, 14);
  expect_left(Stage::low, 26, 0, 14);
  expect_left(Stage::low, 39, 0, 1);
  EXPECT_DOUBLE_EQ(work.unit(0, {"0", Stage::high, 3, 40}), 2);
  EXPECT_DOUBLE_EQ(work.unit(0, {"0", Stage::low, 30, 40}), 1);
}

/// A second for each forward that follows the one before: of two branches with ranks of their own the longer one
/// counts.
struct SecondPerForward {
  double high = 0, low = 0;
  double operator()(const Job&, Stage stage) const {
    return stage == Stage::high ? high : stage == Stage::low ? low : 0;
  }
};

/// One clip, of 26 steps at shift 12 by the high-noise expert and 14 by the other.
std::vector<Job> clip_saving(const SavedForwards& saved) {
  std::vector<Job> jobs = clips(1);
  jobs[0].saved = saved;
  return jobs;
}

/// What a rank reports of the clip.
Activity in_step(std::int64_t step) { return {"0", step < 26 ? Stage::high : Stage::low, step, 40}; }

TEST(PredictedWork, ForwardsThatAreSavedTakeNoTime) {
  const std::vector<Job> jobs = clip_saving({.conditional = {10, 30}, .unconditional = {10}});
  const PredictedWork work(jobs, SecondPerForward{.high = 2 * 26 - 2, .low = 2 * 14 - 1});
  const auto denoising_left = [&](std::int64_t step) {
    const SecondsByStage left = work.left(0, in_step(step));
    return left[static_cast<std::size_t>(Stage::high)] + left[static_cast<std::size_t>(Stage::low)];
  };
  EXPECT_NEAR(denoising_left(10), 50 + 27 - 20, 1e-9);
  EXPECT_NEAR(denoising_left(11), 50 + 27 - 20, 1e-9) << "step 10 computes nothing";
  EXPECT_NEAR(denoising_left(12), 50 + 27 - 22, 1e-9);
  EXPECT_NEAR(denoising_left(31), 2 * 9, 1e-9);
  EXPECT_NEAR(work.unit(0, in_step(10)), 0, 1e-9);
  EXPECT_NEAR(work.unit(0, in_step(30)), 1, 1e-9) << "one branch computes";
  EXPECT_NEAR(work.unit(0, in_step(31)), 2, 1e-9);
  EXPECT_NEAR(work.between(0, in_step(9), in_step(12)), 4, 1e-9);
  EXPECT_NEAR(work.between(0, in_step(38), {"0", Stage::decode}), 4, 1e-9);
}

TEST(PredictedWork, AStepOfTwoBranchesLastsAsLongAsTheLongerOne) {
  const std::vector<Job> jobs = clip_saving({.conditional = {10}, .unconditional = {10}, .unguided = {11}});
  const PredictedWork work(jobs, SecondPerForward{.high = 25, .low = 14}, /*branches=*/2);
  EXPECT_NEAR(work.unit(0, in_step(10)), 0, 1e-9);
  EXPECT_NEAR(work.unit(0, in_step(11)), 1, 1e-9);
  EXPECT_NEAR(work.unit(0, in_step(12)), 1, 1e-9) << "as long as the step before, though it has two forwards";
}

TEST(PredictedWork, TheLongestStepOfAStageIsOneOfItsOwnWithAllItsForwards) {
  std::vector<Job> jobs = clip_saving({.conditional = {0, 26}, .unconditional = {26}});
  jobs[0].guidance.high = {};
  const PredictedWork work(jobs, SecondPerForward{.high = 26 - 1, .low = 2 * 14 - 2});
  EXPECT_NEAR(work.longest_unit(0, Stage::high), 1, 1e-9) << "the first step is saved";
  EXPECT_NEAR(work.longest_unit(0, Stage::low), 2, 1e-9) << "so is the first one of this expert";
  EXPECT_EQ(work.longest_unit(0, Stage::decode), 0);
}

TEST(PredictedWork, ADraftIsDoneAfterTheHighNoiseSteps) {
  const PredictedWork work(clip_saving({}), SecondPerForward{.high = 2 * 26, .low = 0});
  EXPECT_NEAR(work.unit(0, in_step(25)), 2, 1e-9);
  EXPECT_NEAR(work.left(0, in_step(25))[static_cast<std::size_t>(Stage::high)], 2, 1e-9);
  EXPECT_NEAR(work.left(0, in_step(26))[static_cast<std::size_t>(Stage::high)], 0, 1e-9);
}

TEST(RemainingTime, IsExactWhereStepsThatComputeNothingPassAtOnce) {
  const std::vector<int> saved{10, 11, 13, 14, 30};
  const double all = 2 * (40 - 5);
  RemainingTime time(clip_saving({.conditional = saved, .unconditional = saved}),
                     SecondPerForward{.high = 2 * (26 - 4), .low = 2 * (14 - 1)}, 1);
  double now = 0;
  for (std::int64_t step = 0; step < 40; ++step) {
    time.observe({in_step(step)}, now);
    EXPECT_NEAR(time.seconds_left(now), all - now, 1e-9) << step;
    EXPECT_NEAR(time.share(), now / all, 1e-9) << step;
    now += std::ranges::count(saved, static_cast<int>(step)) > 0 ? 0 : 2;
  }
}

TEST(RemainingTime, StepsThatComputeNothingDoNotCountAsSlowOnes) {
  const std::vector<int> saved{10, 11, 13, 14};
  RemainingTime time(clip_saving({.conditional = saved, .unconditional = saved}),
                     SecondPerForward{.high = 2 * 22, .low = 2 * 14}, 1);
  double now = 0;
  for (std::int64_t step = 0; step <= 20; ++step) {
    time.observe({in_step(step)}, now);
    now += std::ranges::count(saved, static_cast<int>(step)) > 0 ? 0.1 : 2;
  }
  EXPECT_NEAR(time.seconds_left(now - 2), 2 * 6 + 2 * 14, 1e-9) << "the others took as long as predicted";
}

TEST(RemainingTime, BeforeAnythingIsDoneItIsThePrediction) {
  EXPECT_DOUBLE_EQ(time_of(6, 1).seconds_left(0), 6 * 45);
  EXPECT_DOUBLE_EQ(time_of(6, 3).seconds_left(0), 2 * 45);
  EXPECT_DOUBLE_EQ(time_of(6, 3).share(), 0);
  EXPECT_DOUBLE_EQ(time_of(2, 8).seconds_left(0), 45) << "more groups than clips do not make a clip faster";
}

TEST(RemainingTime, WithoutAPredictionItIsUnknown) {
  const RemainingTime time(
      clips(2), [](const Job&, Stage) { return 0.0; }, 1);
  EXPECT_LT(time.seconds_left(10), 0);
}

TEST(RemainingTime, EveryStepOfAClipCounts) {
  RemainingTime time = time_of(2, 1);
  for (std::int64_t step = 0; step < 40; ++step) {
    time.observe({at_step("0", step)}, static_cast<double>(step));
    EXPECT_NEAR(time.seconds_left(static_cast<double>(step)), 89 - static_cast<double>(step), 1e-9) << step;
    EXPECT_NEAR(time.share(), (1 + static_cast<double>(step)) / 90, 1e-9) << step;
  }
}

TEST(RemainingTime, GoesDownWithinAStepButNotBelowItsEnd) {
  RemainingTime time = time_of(1, 1);
  time.observe({at_step("0", 10)}, 100);
  EXPECT_DOUBLE_EQ(time.seconds_left(100), 34);
  EXPECT_DOUBLE_EQ(time.seconds_left(100.5), 33.5);
  EXPECT_DOUBLE_EQ(time.seconds_left(101), 33);
  EXPECT_DOUBLE_EQ(time.seconds_left(150), 33) << "the step is overdue, the others take their time";
}

TEST(RemainingTime, MovesFromThePredictionToWhatStepsAreMeasuredToTake) {
  double before = 9 * 45 + 40 + 4;
  const double measured = 3 * before;  // steps take 3 s where 1 s was predicted
  for (const std::int64_t steps : {1, 2, 5, 20, 38}) {
    RemainingTime run = time_of(10, 1);
    const double now = take_steps(run, steps, 3);
    const double left = run.seconds_left(now) + 3 * static_cast<double>(steps);
    EXPECT_GT(left, before) << steps << " steps say more than fewer do";
    EXPECT_LT(left, measured) << steps;
    before = left;
  }
  EXPECT_GT(before, 0.9 * measured) << "after a clip the prediction has little weight";
}

TEST(RemainingTime, OneSlowStartDoesNotDominate) {
  RemainingTime time = time_of(10, 1);
  time.observe({at_step("0", 0)}, 0);
  time.observe({at_step("0", 1)}, 60);  // sixty times as long as predicted
  for (std::int64_t step = 2; step <= 20; ++step)
    time.observe({at_step("0", step)}, 58.0 + static_cast<double>(step) * 1.0 + 1);
  EXPECT_LT(time.seconds_left(79), 1.3 * (9 * 45 + 24));
}

TEST(RemainingTime, StagesOfTheirOwnAreMeasuredForThemselves) {
  RemainingTime time = time_of(2, 1);
  time.observe({at_step("0", 0)}, 0);
  time.observe({at_step("0", 39)}, 39);
  time.observe({{"0", Stage::decode}}, 40);
  EXPECT_NEAR(time.seconds_left(40), 4 + 45, 1e-9);
  time.observe({{"1"}}, 80);  // decoding took 40 s, not 4 s
  time.end(0);
  EXPECT_GT(time.seconds_left(80), 41 + 4 * 2) << "the next clip will take long to decode";
  EXPECT_LT(time.seconds_left(80), 41 * 1.1 + 4 * 3) << "and not to denoise; one measurement is not all";
}

TEST(RemainingTime, AClipThatWaitsForAnotherGroupOrIsWrittenDoesNotStartAnew) {
  RemainingTime time = time_of(2, 2);
  time.observe({at_step("0", 24), {}}, 0);
  time.observe({{}, {}}, 1);  // handed over: nobody computes it
  EXPECT_DOUBLE_EQ(time.share(), 25.0 / 90);
  time.observe({{}, at_step("0", 24)}, 50);
  EXPECT_DOUBLE_EQ(time.share(), 25.0 / 90);
  time.observe({{}, {"0", Stage::decode}}, 66);
  time.observe({{}, {"1"}}, 70);  // written in the background
  EXPECT_DOUBLE_EQ(time.share(), 45.0 / 90);
  time.end(0);
  EXPECT_DOUBLE_EQ(time.share(), 45.0 / 90);
}

TEST(RemainingTime, AClipThatIsTriedAgainIsWorkAgain) {
  RemainingTime time = time_of(1, 1);
  time.observe({at_step("0", 30)}, 30);
  time.observe({{}}, 31);
  time.observe({{"0", Stage::text}}, 32);
  EXPECT_DOUBLE_EQ(time.share(), 0);
}

TEST(RemainingTime, TheOtherRanksOfAGroupDoNotHoldAClipBack) {
  RemainingTime time = time_of(2, 1);
  time.observe({at_step("0", 12), at_step("0", 12)}, 0);
  time.observe({at_step("0", 13), at_step("0", 12)}, 1);
  time.observe({at_step("0", 14), at_step("0", 13)}, 2);  // the second rank's sign of life comes a step late
  EXPECT_DOUBLE_EQ(time.share(), 15.0 / 90);
  time.observe({at_step("0", 39), at_step("0", 39)}, 27);
  time.observe({{"0", Stage::decode}, at_step("0", 39)}, 28);  // the leader decodes alone
  EXPECT_DOUBLE_EQ(time.share(), 41.0 / 90);
  time.end(0);
  time.observe({{"1"}, at_step("0", 39)}, 33);
  EXPECT_DOUBLE_EQ(time.share(), 45.0 / 90);
}

TEST(RemainingTime, ClipsThatNeedNotBeRenderedAreNoWork) {
  RemainingTime time = time_of(4, 1);
  time.no_work(0), time.end(0);  // found finished
  time.no_work(1);               // becomes a copy of clip 2
  EXPECT_DOUBLE_EQ(time.seconds_left(0), 2 * 45);
  time.end(2), time.end(1);
  EXPECT_EQ(time.ended(), 3u);
  EXPECT_DOUBLE_EQ(time.share(), 0.5);
  time.end(3);
  EXPECT_DOUBLE_EQ(time.share(), 1);
  EXPECT_DOUBLE_EQ(time.seconds_left(0), 0);
}

TEST(RemainingTime, TheLastClipIsNotDividedAmongTheGroups) {
  RemainingTime time = time_of(2, 2);
  time.observe({at_step("0", 20), at_step("1", 0)}, 0);
  EXPECT_DOUBLE_EQ(time.seconds_left(0), 44) << "the clip that is behind decides";
}

}  // namespace
}  // namespace wf
