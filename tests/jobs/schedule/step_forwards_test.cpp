// tests/jobs/schedule/step_forwards_test.cpp: which forwards the steps of a clip compute, and that clips which save
// different ones are of different shapes.
#include "jobs/schedule/step_forwards.hpp"

#include <gtest/gtest.h>

#include "jobs/schedule/clip_shape.hpp"

namespace wf {
namespace {

/// A clip of four steps, of which tests give the high-noise expert two.
Job four_steps(const SavedForwards& saved = {}) {
  Job job;
  job.steps = 4;
  job.saved = saved;
  return job;
}

constexpr StepForwards none{false, false}, one{true, false}, other{false, true}, both{true, true};
using Steps = std::vector<StepForwards>;

TEST(StepForwards, AreBothOfAGuidedExpertAndOneOfAnother) {
  Job job = four_steps();
  EXPECT_EQ(forwards_by_step(job, 2), (Steps{both, both, both, both}));
  job.guidance.low = {};
  EXPECT_EQ(forwards_by_step(job, 2), (Steps{both, both, one, one}));
  job.guidance = {{}, 3};
  EXPECT_EQ(forwards_by_step(job, 3), (Steps{one, one, one, both}));
}

TEST(StepForwards, LeaveOutWhatIsSavedOfEachBranch) {
  EXPECT_EQ(forwards_by_step(four_steps({.conditional = {1, 3}, .unconditional = {2, 3}}), 2),
            (Steps{both, other, one, none}));
  EXPECT_EQ(forwards_by_step(four_steps({.conditional = {1}, .unguided = {0, 1}}), 2), (Steps{one, none, both, both}));
}

TEST(StepForwards, CountEachSavedForwardOnce) {
  Job job = four_steps({.unconditional = {1}, .unguided = {1}});
  EXPECT_EQ(forwards_by_step(job, 2)[1].count(), 1);
  job.guidance.high = {};  // has no unconditional forward that could be saved once more
  EXPECT_EQ(forwards_by_step(job, 2)[1].count(), 1);
}

TEST(StepForwards, OfTwoBranchesWithRanksOfTheirOwnFollowNothing) {
  for (const StepForwards& step : {one, other, both}) EXPECT_EQ(step.in_a_row(2), 1);
  EXPECT_EQ(none.in_a_row(2), 0);
  for (const StepForwards& step : {none, one, other, both}) EXPECT_EQ(step.in_a_row(1), step.count());
}

TEST(ClipShape, DiffersWithEachListOfSavedForwards) {
  const std::vector<Job> jobs{four_steps(),
                              four_steps({.conditional = {1}}),
                              four_steps({.unconditional = {1}}),
                              four_steps({.unguided = {1}}),
                              four_steps({.conditional = {1, 3}}),
                              four_steps({.conditional = {1}}),
                              four_steps()};
  EXPECT_EQ(shape_groups(jobs), (std::vector<std::size_t>{0, 1, 2, 3, 4, 1, 0}));
}

TEST(ClipShape, DoesNotDifferWithWhatTheListsWereMadeFrom) {
  Job asked = four_steps({.conditional = {1}});
  asked.step_cache = StepCache{};
  EXPECT_EQ(shape_groups({four_steps({.conditional = {1}}), asked}), (std::vector<std::size_t>{0, 0}));
}

}  // namespace
}  // namespace wf
