// tests/launcher/planner/guidance_test.cpp: what guidance costs, and which placements and batches there are for it: two
// forwards a step, or one where an expert is not guided.
#include <algorithm>

#include "tests/launcher/planner/plan_requests.hpp"

namespace wf {
namespace {

TEST(TimeModel, AnExpertThatIsNotGuidedTakesOneForwardAStep) {
  const Hardware one = h200s(1, 1);
  const double forward = forward_seconds(one, published_model(), {}, 75600).total();
  for (const Guidance& guidance : {Guidance{4, 3}, Guidance{4, {}}, Guidance{{}, 3}, Guidance{{}, {}}}) {
    const PlannedShape shape = shapes_of({guided_by(guidance)}).front();
    const StageSeconds seconds = stage_seconds(one, published_model(), {}, shape, on_gpus());
    EXPECT_DOUBLE_EQ(seconds.high, 26 * (guidance.high ? 2 : 1) * forward) << to_string(guidance);
    EXPECT_DOUBLE_EQ(seconds.low, 14 * (guidance.low ? 2 : 1) * forward) << to_string(guidance);
  }
}

TEST(TimeModel, TwoBranchesShareOnlyTheForwardsOfGuidance) {
  const Hardware two = h200s(1, 2);
  const auto high = [&](int branches, const Guidance& guidance) {
    PlacementPlan plan;
    plan.degrees.guidance = branches;
    return stage_seconds(two, published_model(), plan, shapes_of({guided_by(guidance)}).front(), on_gpus()).high;
  };
  EXPECT_LT(high(2, {4, 3}), 0.51 * high(1, {4, 3}));
  EXPECT_DOUBLE_EQ(high(2, {{}, 3}), high(1, {{}, 3}));
}

TEST(MemoryModel, AClipWithoutGuidanceIsNotBatched) {
  PlacementPlan two, batched;
  two.pools = batched.pools = {{"all", {Stage::high, Stage::low}, 1}};
  two.degrees.ulysses = batched.degrees.ulysses = 2;  // which takes buffers, too
  batched.guidance = GuidanceMode::batched;
  const auto total = [](const PlacementPlan& plan, const Guidance& guidance) {
    return rank_memory(published_model(), plan, plan.pools[0], {guided_by(guidance)}, on_gpus()).total();
  };
  EXPECT_EQ(total(batched, {{}, {}}), total(two, {{}, {}}));
  EXPECT_EQ(total(batched, {{}, 3}), total(batched, {4, 3})) << "the low-noise expert's steps are the fullest";
  EXPECT_GT(total(batched, {4, 3}), total(two, {4, 3}));
}

TEST(MemoryModel, AStashedClipWithoutGuidanceHasOneText) {
  const auto text = static_cast<std::uint64_t>(published_model().text_len * published_model().text_dim * 2);
  EXPECT_EQ(stashed_bytes(published_model(), guided_by({4, 3})) - stashed_bytes(published_model(), guided_by({{}, {}})),
            text);
}

TEST(Guidance, IsBatchedWhereGpuRanksShareASequenceAndItFits) {
  const auto guidance = [](std::uint64_t memory, const PlacementChoices& choices) {
    PlanRequest request = request_for(1, 2, memory, 4, job_720p());
    request.choices = choices, request.choices.mode = PlacementMode::swap;
    request.execution.guidance = GuidanceMode::automatic;
    return make_plan(request).winner().plan.guidance;
  };
  const PlacementChoices ulysses{.guidance = 1, .ulysses = 2}, ring{.guidance = 1, .ring = 2};
  EXPECT_EQ(guidance(141 * gib, ulysses), GuidanceMode::batched);
  EXPECT_EQ(guidance(141 * gib, ring), GuidanceMode::batched);
  EXPECT_EQ(guidance(141 * gib, {.guidance = 2}), GuidanceMode::two) << "each guidance branch has ranks of its own";
  EXPECT_EQ(guidance(141 * gib, {.guidance = 1, .ulysses = 1}), GuidanceMode::two) << "ranks share no sequence";
  EXPECT_EQ(guidance(38 * gib, ulysses), GuidanceMode::two) << "a batch of 2 does not fit";
}

/// Whether any placement of the list on two GPUs has two guidance branches.
bool splits_guidance(const std::vector<Job>& jobs, bool draft = false) {
  PlanRequest request = request_for(1, 2, 141 * gib, 1);
  request.jobs = jobs, request.choices.draft = draft;
  const std::vector<Considered> considered = make_plan(request).considered;
  return std::ranges::any_of(considered, [](const Considered& each) { return each.plan.degrees.guidance == 2; });
}

TEST(Guidance, IsSplitOnlyWhereSomeStepOfTheListHasTwoForwards) {
  const Job none = guided_by({{}, {}}), high = guided_by({4, {}}), low = guided_by({{}, 3});
  Job one_step = low;
  one_step.steps = 1;  // of the high-noise expert
  EXPECT_FALSE(splits_guidance({none, none}));
  EXPECT_FALSE(splits_guidance({none, one_step}));
  EXPECT_FALSE(splits_guidance({low}, /*draft=*/true));
  EXPECT_TRUE(splits_guidance({high}, /*draft=*/true));
  for (const Job& guided : {high, low, job_720p()}) EXPECT_TRUE(splits_guidance({none, guided}));
}

TEST(Guidance, OneClipOnTwoGpusIsSplitByGuidanceOrElseBySequence) {
  const auto degrees = [](const Guidance& guidance) {
    return make_plan(request_for(1, 2, 141 * gib, 1, guided_by(guidance))).winner().plan.degrees;
  };
  EXPECT_EQ(degrees({4, 3}), (Degrees{2, 1, 1}));
  EXPECT_EQ(degrees({{}, {}}), (Degrees{1, 2, 1}));
}

TEST(Guidance, ADegreeThatNoClipCanUseIsRefused) {
  PlanRequest request = request_for(1, 2, 141 * gib, 3, guided_by({{}, {}}));
  request.choices.guidance = 2;
  const std::string text = refusal(request, Error::input);
  EXPECT_NE(text.find("--cfg-parallel 2: no clip of the list is guided"), std::string::npos) << text;
  request.jobs.push_back(job_720p());
  EXPECT_EQ(make_plan(request).winner().plan.degrees.guidance, 2);
}

/// Two pools of eight GPUs for a list whose clips have 20 steps by each expert.
PlacementPlan pools_for(const Guidance& guidance, int high_ranks = 0) {
  Job job = guided_by(guidance);
  job.solver = SolverKind::dpmpp, job.shift = 5;
  PlanRequest request = request_for(1, 8, 141 * gib, 64, job);
  request.choices = {.mode = PlacementMode::pipeline, .guidance = 1, .ulysses = 1, .ring = 1, .high_ranks = high_ranks};
  return make_plan(request).winner().plan;
}

TEST(Guidance, PoolsAreSizedByForwards) {
  EXPECT_GT(pools_for({4, {}}).pools.at(0).groups, 4) << "the high-noise expert has two of three forwards";
  EXPECT_GT(pools_for({{}, 3}).pools.at(1).groups, 4) << "the low-noise expert has them";
}

TEST(Guidance, ThePoolWithFewerForwardsDecodes) {
  EXPECT_EQ(pools_for({4, {}}, 4).pool_of(Stage::decode).name, "low");
  EXPECT_EQ(pools_for({{}, 3}, 4).pool_of(Stage::decode).name, "high");
}

TEST(Guidance, ModeOfAFlagIsObeyedAndCpusDoNotBatch) {
  const Degrees shared{.guidance = 1, .ulysses = 2, .ring = 1};
  for (const GuidanceMode mode : {GuidanceMode::two, GuidanceMode::batched})
    EXPECT_EQ(guidance_modes(mode, shared, true), std::vector{mode});
  EXPECT_EQ(guidance_modes(GuidanceMode::automatic, shared, false), std::vector{GuidanceMode::two});
}

}  // namespace
}  // namespace wf
