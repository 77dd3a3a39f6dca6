// tests/jobs/schedule/step_cache_test.cpp: MagCache's rule saves the forwards that the reference saves, begins anew
// with each expert and after steps without a forward; tables fit other schedules; guidance intervals have both their
// ends.
#include "jobs/schedule/step_cache.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/error.hpp"
#include "base/files.hpp"

namespace wf {
namespace {

using Steps = std::vector<int>;

constexpr StepCacheRule published{0.06, 2, 0.4};

std::vector<bool> all(std::size_t steps) { return std::vector<bool>(steps, true); }

Steps range(int begin, int end) {
  Steps steps(static_cast<std::size_t>(end - begin));
  std::iota(steps.begin(), steps.end(), begin);
  return steps;
}

/// Sigmas that fall evenly from 1: of 10 steps 1, 0.9, ... 0.1.
std::vector<float> even_sigmas(int steps) {
  std::vector<float> sigmas;
  for (int i = 0; i < steps; ++i) sigmas.push_back(static_cast<float>(steps - i) / static_cast<float>(steps));
  return sigmas;
}

nlohmann::json golden(const std::string& name) {
  for (const auto& entry : nlohmann::json::parse(read_file(Path(WF_TEST_DATA) / "golden/variants/variants.json")))
    if (entry.at("name") == name) return entry;
  throw std::runtime_error("no golden case " + name);
}

class GoldenCase : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(MagCache, GoldenCase, testing::Values("magcache", "magcache_k1"),
                         [](const auto& test) { return std::string(test.param); });

TEST_P(GoldenCase, SavesTheForwardsOfTheReference) {
  const nlohmann::json entry = golden(GetParam());
  const StepCacheRule rule{entry.at("E"), entry.at("K"), entry.at("R")};
  for (const std::string branch : {"conditional", "unconditional"}) {
    const auto ratios = entry.at("ratios_" + branch).get<std::vector<double>>();
    EXPECT_EQ(saved_steps(rule, ratios, entry.at("high_noise_steps"), all(ratios.size())),
              entry.at("skipped_" + branch).get<Steps>())
        << branch;
  }
}

TEST(StepCacheRule, SavesAsManyForwardsOfThePublishedTableAsPublished) {
  const StepCacheTable& table = published_step_cache_table();
  const auto saved_with = [&](const StepCacheRule& rule) {
    return 2 * saved_steps(rule, table.conditional, *table.high_noise_steps, all(40)).size();
  };
  EXPECT_EQ(saved_with(published), 28u);
  EXPECT_EQ(saved_with({0.06, 2, 0.2}), 38u);
}

TEST(StepCacheRule, ComputesTheFirstStepOfEachExpertAlsoWithoutAShare) {
  const std::vector<double> equal(8, 1.0);
  EXPECT_EQ(saved_steps({0.06, 100, 0}, equal, 3, all(8)), (Steps{1, 2, 4, 5, 6, 7}));
}

TEST(StepCacheRule, KeepsTheWholeStepsOfTheShareAlone) {
  const std::vector<double> equal(20, 1.0);
  // 0.29 of 10 steps are 2, and 0.35 are 3: the next is the first that can be saved.
  EXPECT_EQ(saved_steps({0.06, 100, 0.29}, equal, 10, all(20)).front(), 2);
  EXPECT_EQ(saved_steps({0.06, 100, 0.35}, equal, 10, all(20)).front(), 3);
  EXPECT_EQ(saved_steps({0.06, 100, 1}, equal, 10, all(20)), Steps{});
}

TEST(StepCacheRule, AnErrorOfExactlyEIsTooMuch) {
  const std::vector<double> half{1, 0.5, 0.5, 0.5};
  EXPECT_EQ(saved_steps({0.5, 100, 0}, half, 4, all(4)), Steps{});
  EXPECT_EQ(saved_steps({0.50001, 100, 0}, half, 4, all(4)), (Steps{1, 3}));
}

TEST(StepCacheRule, ErrorsOfStepsInARowAddUp) {
  EXPECT_EQ(saved_steps({0.15, 100, 0}, std::vector<double>{1, 0.9, 1, 1, 1}, 5, all(5)), (Steps{1, 3, 4}))
      << "0.1 in step 1, and as much again in step 2, though its own ratio is 1";
}

TEST(StepCacheRule, SavesAtMostKInARow) {
  const std::vector<double> equal(9, 1.0);
  EXPECT_EQ(saved_steps({0.06, 1, 0}, equal, 9, all(9)), (Steps{1, 3, 5, 7}));
  EXPECT_EQ(saved_steps({0.06, 3, 0}, equal, 9, all(9)), (Steps{1, 2, 3, 5, 6, 7}));
}

TEST(StepCacheRule, TheErrorBeginsAnewWithTheLowNoiseExpert) {
  // The jump at the boundary is the last thing that the residual of the other expert could be used for.
  const std::vector<double> jump{1, 1, 1, 0.1, 1, 1};
  EXPECT_EQ(saved_steps({0.06, 100, 0}, jump, 3, all(6)), (Steps{1, 2, 4, 5}));
}

TEST(StepCacheRule, AfterAGapTheNextForwardIsComputed) {
  const std::vector<double> equal(10, 1.0);
  std::vector<bool> has_forward = all(10);
  has_forward[0] = has_forward[4] = has_forward[5] = false;
  EXPECT_EQ(saved_steps({0.06, 100, 0}, equal, 10, has_forward), (Steps{2, 3, 7, 8, 9})) << "1 and 6 are computed";
}

TEST(StepCacheTables, AreTakenAsTheyAreWhereTheScheduleIsTheirs) {
  const std::vector<float> sigmas = even_sigmas(40);
  EXPECT_EQ(ratios_for(published_step_cache_table().conditional, 26, {sigmas, 26}),
            published_step_cache_table().conditional);
}

TEST(StepCacheTables, GiveEachStepTheNearestRatioOfItsExpert) {
  const std::vector<double> table{1, 2, 3, 4, 5, 60, 70, 80};
  EXPECT_EQ(ratios_for(table, 5, {even_sigmas(5), 3}), (std::vector<double>{1, 3, 5, 60, 80}));
  EXPECT_EQ(ratios_for(table, 5, {even_sigmas(10), 5}), (std::vector<double>{1, 2, 3, 4, 5, 60, 60, 70, 80, 80}))
      << "of two that are as near the even one, as NumPy rounds";
  EXPECT_EQ(ratios_for(table, 5, {even_sigmas(2), 1}), (std::vector<double>{1, 60}));
  const std::vector<double> twenty = ratios_for(published_step_cache_table().conditional, 26, {even_sigmas(20), 13});
  EXPECT_EQ(std::ranges::min(std::span(twenty).first(13)), 0.99125) << "the jump of 0.65523 stays with the low expert";
  EXPECT_EQ(twenty[13], 0.65523);
}

TEST(StepCacheTables, WithoutARatioForAnExpertDoNotFit) {
  const std::vector<double> table{1, 1, 1};
  try {
    ratios_for(table, 3, {even_sigmas(4), 3});
    FAIL() << "it fitted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::input);
    EXPECT_STREQ(error.what(),
                 "the step cache table has no ratios for steps of the low-noise expert, of which this clip has 1");
  }
  EXPECT_EQ(ratios_for(table, 3, {even_sigmas(2), 2}), (std::vector<double>{1, 1})) << "no low-noise step is left over";
}

Job job_with(std::optional<StepCache> cache, std::optional<GuidanceInterval> interval, Guidance guidance = {}) {
  Job job;
  job.step_cache = std::move(cache);
  job.guidance_interval = interval;
  job.guidance = guidance;
  return job;
}

TEST(GuidanceIntervals, OfStepsHaveBothEnds) {
  const std::vector<float> sigmas = even_sigmas(10);
  const StepLevels levels{sigmas, 5};
  EXPECT_EQ(unguided_steps(job_with({}, GuidanceInterval{3, 8}), levels), (Steps{0, 1, 8, 9}));
  EXPECT_EQ(unguided_steps(job_with({}, GuidanceInterval{1, 1000}), levels), Steps{});
  EXPECT_EQ(unguided_steps(job_with({}, GuidanceInterval{11, 11}), levels), range(0, 10));
  EXPECT_EQ(unguided_steps(job_with({}, {}), levels), Steps{});
}

TEST(GuidanceIntervals, OfSigmasHaveTheSigmaThatAUserReads) {
  const std::vector<float> sigmas = even_sigmas(10);
  const StepLevels levels{sigmas, 5};
  // 0.9 is larger than the f32 number nearest to it, and 0.3 smaller.
  EXPECT_EQ(unguided_steps(job_with({}, GuidanceInterval{0.3, 0.9, true}), levels), (Steps{0, 8, 9}));
  EXPECT_EQ(unguided_steps(job_with({}, GuidanceInterval{0.9, 1, true}), levels), range(2, 10));
}

TEST(GuidanceIntervals, LeaveAnExpertWithoutGuidanceAlone) {
  const std::vector<float> sigmas = even_sigmas(10);
  EXPECT_EQ(unguided_steps(job_with({}, GuidanceInterval{3, 8}, {{}, 3.0}), {sigmas, 5}), (Steps{8, 9}));
  EXPECT_EQ(unguided_steps(job_with({}, GuidanceInterval{3, 8}, {{}, {}}), {sigmas, 5}), Steps{});
}

const StepCacheTable equal_ratios{std::vector<double>(10, 1.0), std::vector<double>(10, 1.0), 5};
const StepCache greedy{.rule = {0.06, 100, 0}};

TEST(SavedForwards, OfTheUnconditionalBranchAreOfStepsThatHaveIt) {
  const std::vector<float> sigmas = even_sigmas(10);
  const SavedForwards saved = saved_forwards(job_with(greedy, GuidanceInterval{3, 9}), {sigmas, 5}, &equal_ratios, 5);
  EXPECT_EQ(saved.conditional, (Steps{1, 2, 3, 4, 6, 7, 8, 9}));
  EXPECT_EQ(saved.unconditional, (Steps{3, 4, 6, 7, 8})) << "step 2 is the first of this branch";
  EXPECT_EQ(saved.unguided, (Steps{0, 1, 9}));
}

TEST(SavedForwards, OfAnExpertWithoutGuidanceAreConditional) {
  const std::vector<float> sigmas = even_sigmas(10);
  const SavedForwards saved = saved_forwards(job_with(greedy, {}, {{}, 3.0}), {sigmas, 5}, &equal_ratios, 5);
  EXPECT_EQ(saved.conditional, (Steps{1, 2, 3, 4, 6, 7, 8, 9}));
  EXPECT_EQ(saved.unconditional, (Steps{6, 7, 8, 9}));
}

TEST(SavedForwards, AreNoneWithoutACacheOrAnInterval) {
  const std::vector<float> sigmas = even_sigmas(10);
  EXPECT_FALSE(saved_forwards(job_with({}, {}), {sigmas, 5}, nullptr, 0).any());
}

TEST(SavedForwards, AreToldAsAShareOfThoseThatThereWouldBe) {
  Job job = job_with(greedy, {});
  EXPECT_EQ(saved_text(job), "");
  job.saved = {range(0, 14), range(0, 14), {}};
  EXPECT_EQ(saved_text(job), "28 of 80 forwards");
  job.saved.unguided = {30};
  EXPECT_EQ(saved_text(job), "29 of 80 forwards");
  job.saved = {range(0, 14), {}, {}};
  job.guidance = {{}, {}};
  EXPECT_EQ(saved_text(job), "14 of 40 forwards");
  job.guidance = {{}, 3.0};
  EXPECT_EQ(saved_text(job), "14 forwards");
}

}  // namespace
}  // namespace wf
