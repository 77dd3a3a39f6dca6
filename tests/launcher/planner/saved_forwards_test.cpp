// tests/launcher/planner/saved_forwards_test.cpp: what forwards that a step cache or a guidance interval saves change
// in a plan: the time of each expert, the pools, the memory, and what the plan says.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "launcher/planner/memory_model.hpp"
#include "launcher/planner/report.hpp"
#include "tests/launcher/planner/plan_requests.hpp"

namespace wf {
namespace {

Job saving(const SavedForwards& saved) {
  Job job = job_720p();
  job.saved = saved;
  return job;
}

/// What E 0.06, K 2 and R 0.4 save by the table of the published model: 28 of 80 forwards, 22 of them of the high-noise
/// expert, which has the first 26 steps.
Job cached() {
  const std::vector<int> steps{10, 11, 13, 14, 16, 17, 19, 20, 22, 23, 25, 31, 33, 35};
  return saving({.conditional = steps, .unconditional = steps});
}

/// Seconds of a clip on a group of these degrees.
StageSeconds seconds_of(const Job& job, const Degrees& degrees = {}, const ModelParts& model = published_model(),
                        const Execution& execution = on_gpus()) {
  PlacementPlan plan;
  plan.degrees = degrees;
  return stage_seconds(h200s(1, 8), model, plan, shapes_of({job}).front(), execution);
}

double forward(const Degrees& degrees = {}) {
  return forward_seconds(h200s(1, 8), published_model(), degrees, 75600).total();
}

TEST(PlannedShape, CountsTheForwardsThatAreLeftToEachExpert) {
  const PlannedShape shape = shapes_of({cached()}).front();
  EXPECT_EQ(shape.high_forwards(), 52 - 22);
  EXPECT_EQ(shape.low_forwards(), 28 - 6);
}

TEST(PlannedShape, StandsForAllClipsThatSaveTheSameForwards) {
  std::vector<Job> jobs(10'000, cached());
  jobs[5] = jobs[7'000] = job_720p();
  const std::vector<PlannedShape> shapes = shapes_of(jobs);
  ASSERT_EQ(shapes.size(), 2u);
  EXPECT_EQ(shapes[0].clips, 9'998);
  EXPECT_EQ(shapes[1].clips, 2);
  EXPECT_FALSE(shapes[1].job.saved.any());
}

TEST(TimeModel, SavedForwardsTakeNoTime) {
  const StageSeconds seconds = seconds_of(saving({.conditional = {20, 22}, .unconditional = {20, 30}}));
  EXPECT_DOUBLE_EQ(seconds.high, (2 * 26 - 3) * forward());
  EXPECT_DOUBLE_EQ(seconds.low, (2 * 14 - 1) * forward());
}

TEST(TimeModel, StepsOutsideTheGuidanceIntervalTakeOneForward) {
  const StageSeconds seconds = seconds_of(saving({.conditional = {20}, .unguided = {19, 20, 21, 39}}));
  EXPECT_DOUBLE_EQ(seconds.high, (2 * 26 - 4) * forward());
  EXPECT_DOUBLE_EQ(seconds.low, (2 * 14 - 1) * forward());
}

TEST(TimeModel, AStepOfTwoBranchesLastsAsLongAsTheLongerOne) {
  const Degrees split{.guidance = 2};
  const double all = seconds_of(job_720p(), split).high;
  EXPECT_GT(all, 26 * forward()) << "the branches exchange their velocities in every step";
  const auto shorter = [&](const SavedForwards& saved) { return all - seconds_of(saving(saved), split).high; };
  EXPECT_EQ(shorter({.conditional = {20}}), 0) << "the other branch computes";
  EXPECT_EQ(shorter({.unconditional = {20}}), 0);
  EXPECT_EQ(shorter({.unguided = {20}}), 0);
  EXPECT_NEAR(shorter({.conditional = {20, 22}, .unconditional = {20, 23}}), forward(), 1e-9 * all);
}

TEST(TimeModel, RanksThatShareAStepGatherItsVelocityAlsoWhereNothingIsComputed) {
  const Degrees shared{.ulysses = 4};
  std::vector<int> steps(26);
  for (int step = 0; step < 26; ++step) steps[static_cast<std::size_t>(step)] = step;
  const double gathering = seconds_of(saving({.conditional = steps, .unconditional = steps}), shared).high;
  EXPECT_GT(gathering, 0);
  EXPECT_NEAR(seconds_of(job_720p(), shared).high, 2 * 26 * forward(shared) + gathering, 1e-9);
}

TEST(TimeModel, OnlyExactStepsThatAreComputedTakeTheirTime) {
  ModelParts model = published_model();
  model.precision = Precision::fp8;
  const auto seconds = [&](Precision precision) {
    return forward_seconds(h200s(1, 8), model, {}, 75600, precision).total();
  };
  const double fp8 = seconds(Precision::fp8), exact = seconds(Precision::exact);
  const auto low = [&](const std::vector<int>& saved) {
    return seconds_of(saving({.conditional = saved, .unconditional = saved}), {}, model).low;
  };
  EXPECT_DOUBLE_EQ(low({}), 2 * (13 * fp8 + exact));
  EXPECT_DOUBLE_EQ(low({38}), 2 * (12 * fp8 + exact));
  EXPECT_DOUBLE_EQ(low({39}), 2 * 13 * fp8) << "the last step would have been exact";
}

TEST(Planner, AListOfClipsWithSavedForwardsEndsEarlierByTheirTime) {
  const auto makespan = [](const Job& job) {
    return make_plan(request_for(1, 1, 141 * gib, 3, job)).winner().predicted.makespan;
  };
  EXPECT_NEAR(makespan(job_720p()) - makespan(cached()), 3 * 28 * forward(), 1e-6);
}

/// Two pools of groups of one for a long list.
PlacementPlan pools_for(const Job& job, int gpus) {
  PlanRequest request = request_for(1, gpus, 48 * gib, 248, job);
  request.choices = {.mode = PlacementMode::pipeline, .guidance = 1, .ulysses = 1, .ring = 1};
  return make_plan(request).winner().plan;
}

TEST(Planner, PoolsShiftTowardTheExpertThatSavesLess) {
  EXPECT_EQ(pools_for(job_720p(), 16).pools.at(0).groups, 10);
  EXPECT_EQ(pools_for(cached(), 16).pools.at(0).groups, 9) << "30 and 22 forwards are left of 52 and 28";
}

TEST(Planner, ThePoolThatSavesMoreDecodesWhereItIsTheLighterOneThen) {
  for (const Job& job : {job_720p(), cached()}) EXPECT_EQ(pools_for(job, 8).pools.at(0).groups, 5);
  EXPECT_EQ(pools_for(job_720p(), 8).pool_of(Stage::decode).name, "low") << "52 forwards on 5 GPUs, 28 on 3";
  EXPECT_EQ(pools_for(cached(), 8).pool_of(Stage::decode).name, "high") << "30 forwards on 5 GPUs, 22 on 3";
}

TEST(Guidance, IsNotBatchedWhereEveryClipSavesForwards) {
  PlanRequest request = request_for(1, 2, 141 * gib, 4, cached());
  request.choices = {.mode = PlacementMode::swap, .guidance = 1, .ulysses = 2};
  request.execution.guidance = GuidanceMode::automatic;
  EXPECT_EQ(make_plan(request).winner().plan.guidance, GuidanceMode::two);
  request.jobs.push_back(job_720p());
  EXPECT_EQ(make_plan(request).winner().plan.guidance, GuidanceMode::batched) << "of the clip that saves none";
}

/// A guided clip without a step in which both forwards are computed.
Job never_two_forwards() {
  Job job = saving({.unguided = std::vector<int>(40)});
  for (int step = 0; step < 40; ++step) job.saved.unguided[static_cast<std::size_t>(step)] = step;
  return job;
}

TEST(Guidance, IsSplitOnlyWhereSomeStepComputesBothForwards) {
  const auto is_split = [](const Job& job, bool draft = false) {
    PlanRequest request = request_for(1, 2, 141 * gib, 1, job);
    request.choices.draft = draft;
    const std::vector<Considered> considered = make_plan(request).considered;
    return std::ranges::any_of(considered, [](const Considered& each) { return each.plan.degrees.guidance == 2; });
  };
  EXPECT_TRUE(is_split(cached()));
  EXPECT_FALSE(is_split(never_two_forwards()));
  Job last_step = never_two_forwards();
  last_step.saved.unguided.pop_back();
  EXPECT_TRUE(is_split(last_step));
  EXPECT_FALSE(is_split(last_step, /*draft=*/true)) << "which does not come to its last step";
}

TEST(Guidance, ADegreeForWhichNoStepHasTwoForwardsLeftIsRefused) {
  PlanRequest request = request_for(1, 2, 141 * gib, 3, never_two_forwards());
  request.choices.guidance = 2;
  const std::string text = refusal(request, Error::input);
  EXPECT_NE(text.find("--cfg-parallel 2: of both forwards of a step, one is always saved"), std::string::npos) << text;
}

/// Memory of a rank that takes the job through the high-noise expert.
std::uint64_t memory_of(const Job& job, const Degrees& degrees = {}, GuidanceMode mode = GuidanceMode::two) {
  PlacementPlan plan;
  plan.degrees = degrees, plan.guidance = mode;
  plan.pools = {{"high", {Stage::high}, 1}};
  return rank_memory(published_model(), plan, plan.pools[0], {job}, on_gpus()).total();
}

TEST(MemoryModel, EachBranchWithSavedForwardsKeepsAResidual) {
  constexpr std::uint64_t residual = 75600 * 5120 * 2;
  const auto more = [](const SavedForwards& saved, const Degrees& degrees = {}) {
    return memory_of(saving(saved), degrees) - memory_of(job_720p(), degrees);
  };
  EXPECT_EQ(more(cached().saved), 2 * residual);
  EXPECT_EQ(more({.conditional = {20}}), residual);
  EXPECT_EQ(more({.unconditional = {20}}), residual);
  EXPECT_EQ(more({.unguided = {20}}), 0u);
  EXPECT_EQ(more(cached().saved, {.guidance = 2}), residual) << "a rank computes one branch";
  EXPECT_EQ(more(cached().saved, {.ulysses = 4}), 2 * residual / 4) << "of the rank's rows";
  EXPECT_EQ(more(cached().saved, {.ring = 2}), 2 * residual / 2);
}

TEST(MemoryModel, AnExpertThatIsNotGuidedKeepsOneResidual) {
  Job job = cached(), none = job_720p();
  job.guidance.high = none.guidance.high = {};
  EXPECT_EQ(memory_of(job) - memory_of(none), 75600u * 5120 * 2);
}

TEST(MemoryModel, AClipWithSavedForwardsIsNotBatched) {
  const Degrees shared{.ulysses = 2};
  EXPECT_EQ(memory_of(cached(), shared, GuidanceMode::batched), memory_of(cached(), shared, GuidanceMode::two));
  EXPECT_GT(memory_of(job_720p(), shared, GuidanceMode::batched), memory_of(job_720p(), shared, GuidanceMode::two));
}

TEST(MemoryModel, AResidentRankTakesWhatTheStagesOfAClipWithSavedForwardsNeed) {
  const Pool all{"all", {Stage::text, Stage::high, Stage::low, Stage::decode}, 1};
  PlacementPlan plan;
  plan.pools = {all};
  Job job = cached();
  job.frames = 241;  // so that denoising, which residuals are for, takes more than decoding
  const RankMemory memory = rank_memory(published_model(), plan, all, {job}, on_gpus());
  EXPECT_EQ(memory.stage, Stage::high);
  EXPECT_EQ(memory.total(), peak_bytes_needed(published_model(), on_gpus(), job) + margin_bytes);
}

TEST(PlanReport, TellsTheForwardsThatAreLeft) {
  PlanRequest request = request_for(1, 1, 141 * gib, 1, cached());
  const auto text = [&] { return to_text(request, make_plan(request)); };
  const auto json = [&] { return to_json(request, make_plan(request)).at("forwards"); };
  using Json = nlohmann::ordered_json;
  EXPECT_NE(text().find("1 clip, exact, forwards 52 of 80 (high 30, low 22)\n"), std::string::npos) << text();
  EXPECT_EQ(json(), (Json{{"high", 30}, {"low", 22}, {"saved", 28}}));
  request.choices.draft = true;
  EXPECT_NE(text().find("forwards 30 of 52 (high 30, low 0)\n"), std::string::npos) << text();
  request.choices.draft = false;
  request.jobs = {job_720p(), job_720p()};
  EXPECT_NE(text().find("2 clips, exact\n"), std::string::npos) << text();
  EXPECT_EQ(json(), (Json{{"high", 104}, {"low", 56}, {"saved", 0}}));
}

}  // namespace
}  // namespace wf
