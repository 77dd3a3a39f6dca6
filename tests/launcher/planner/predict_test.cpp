// tests/launcher/planner/predict_test.cpp: simulated lists compared with bounds, with measured lists, and with a
// simulation of only a part.
#include "launcher/planner/predict.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <ctime>

#include "tests/launcher/run/published_model.hpp"

namespace wf {
namespace {

constexpr std::uint64_t gib = 1ull << 30;

/// `clips` clips that take `seconds` each.
struct ClipBatch {
  double seconds;
  int clips;
};

/// Jobs whose width is the seconds that they take.
std::vector<Job> jobs_of(const std::vector<ClipBatch>& batches) {
  std::vector<Job> jobs;
  for (const ClipBatch& each : batches) {
    Job job;
    job.width = static_cast<int>(each.seconds);
    jobs.insert(jobs.end(), static_cast<std::size_t>(each.clips), job);
  }
  return jobs;
}

std::vector<Role> residents(int groups) { return std::vector<Role>(static_cast<std::size_t>(groups), Role::resident); }

double end_of(const std::vector<BusyInterval>& intervals) { return intervals.back().end; }

TEST(Simulate, ResidentGroupsAreNeverBelowTheBoundsAndNearThem) {
  const auto makespan = [](const std::vector<ClipBatch>& batches, int groups) {
    const auto seconds = [](const Job& job, std::size_t) {
      return StageSeconds{.high = static_cast<double>(job.width)};
    };
    return end_of(simulate(jobs_of(batches), {.groups = residents(groups), .seconds = seconds}));
  };
  for (const int groups : {1, 3, 8, 128}) {
    const double bound = std::max((100 * 37 + 30 * 211 + 7 * 1000.0) / groups, 100.0);
    EXPECT_GE(makespan({{100, 37}, {30, 211}, {7, 1000}}, groups), bound * (1 - 1e-9)) << groups;
    EXPECT_LE(makespan({{100, 37}, {30, 211}, {7, 1000}}, groups), bound * 4 / 3) << groups;
  }
  EXPECT_EQ(makespan({{10, 9}}, 8), 20);
  EXPECT_EQ(makespan({{1000, 1}, {10, 80}}, 8), 1000) << "short clips fill the groups that the long one leaves";
}

/// Of a group alone: high 10 s, low 10 s, decoding 2 s, an exchange 1 s, and 15 s to pin memory for an expert.
std::vector<double> seconds_of_exchanges(SimulationSetup setup) {
  setup.groups = residents(1);
  setup.seconds = [](const Job&, std::size_t) {
    return StageSeconds{.high = 10, .low = 10, .decode = 2, .exchange = 1, .pin = 15};
  };
  std::vector<double> seconds;
  for (const BusyInterval& interval : simulate(std::vector<Job>(3), setup)) seconds.push_back(interval.seconds());
  return seconds;
}

TEST(Simulate, AnExpertLeavesWhenMemoryForItHasBeenPinnedBesideOtherWork) {
  SimulationSetup swap{.groups = {}, .exchanges = true};
  EXPECT_EQ(seconds_of_exchanges(swap), (std::vector<double>{22 + 5 + 1, 22 + 2 + 1 + 1, 22 + 1 + 1}))
      << "after 10 s the first one leaves, pinned after 15, and after 28 s the second one, pinned after 30";
  swap.start_seconds = 8;
  EXPECT_EQ(seconds_of_exchanges(swap), (std::vector<double>{22 + 1, 22 + 1 + 1, 22 + 1 + 1}))
      << "nothing waits where loading takes longer than the rest of pinning";
  swap.start_seconds = 16, swap.low_on_host = true;
  EXPECT_EQ(seconds_of_exchanges(swap), (std::vector<double>{22 + 4 + 1, 22 + 1 + 1, 22 + 1 + 1}))
      << "memory for the low-noise expert was pinned first";
}

TEST(Simulate, AnExpertThatLeavesForDecodingIsPinnedFromWhenItWasLoaded) {
  SimulationSetup swap{.groups = {}, .exchanges = true, .offload_expert_for_decode = true};
  EXPECT_EQ(seconds_of_exchanges(swap), (std::vector<double>{22 + 5 + 1 + 4, 22 + 1 + 1, 22 + 1 + 1}));
  EXPECT_EQ(seconds_of_exchanges({.groups = {}, .offload_expert_for_decode = true}), (std::vector<double>{22, 22, 22}))
      << "both stay";
}

/// Stage times, order of work and time of the list as in docs/images/pipeline-two-gpus.svg, without the first second,
/// in which a GPU is slower (docs/performance.md).
TEST(Simulate, MeasuredStageTimesGiveTheMeasuredPipeline) {
  const auto measured = [](const Job&, std::size_t) {
    return StageSeconds{.text = 0.01, .high = 10.31, .low = 10.24, .decode = 2.25, .transfer = 0.5, .exchange = 0.17};
  };
  const std::vector<BusyInterval> intervals =
      simulate(std::vector<Job>(6),
               {.groups = {Role::high, Role::low},
                .dispatch = {.light = {Role::low, Role::low}, .change_seconds = 5.8, .least_seconds_in_role = 58},
                .seconds = measured});
  EXPECT_NEAR(end_of(intervals), 75.3, 0.02 * 75.3);
  std::vector<std::vector<std::size_t>> low(2);
  std::vector<double> busy(2);
  for (const BusyInterval& interval : intervals) {
    const auto group = static_cast<std::size_t>(interval.group);
    busy[group] += 100 * interval.seconds() / end_of(intervals);
    if (interval.last == Stage::write) low[group].push_back(interval.clip);
  }
  EXPECT_EQ(low[0], (std::vector<std::size_t>{4})) << "the first GPU takes the other expert at the end";
  EXPECT_EQ(low[1], (std::vector<std::size_t>{0, 1, 2, 3, 5}));
  EXPECT_NEAR(busy[0], 99.1, 2);
  EXPECT_NEAR(busy[1], 83.2, 2);
}

/// Clips of 832x480 in four steps, two of each expert, on GPUs that decode with cuDNN, as they did when these lists
/// were measured.
PlanRequest measured_request(int gpus, std::size_t clips, PlacementMode mode) {
  PlanRequest request;
  request.hardware = equal_nodes(1, gpus, 141 * gib, gpu_figures("h200"));
  request.hardware.gpu.decode_seconds = 3.07e-7, request.hardware.gpu.decode_tf32_seconds = 7.05e-8;
  request.execution.precision = Precision::exact;
  request.execution.device = request.execution.text_device = at::Device(at::kCUDA, 0);
  request.execution.tf32 = true;
  request.model = published_model();
  request.choices = {.mode = mode, .guidance = 1, .ulysses = 1, .ring = 1};
  Job job;
  job.width = 832, job.height = 480, job.frames = 81, job.steps = 4, job.shift = 5;
  request.jobs.assign(clips, job);
  return request;
}

double list_seconds(const Prediction& predicted) { return predicted.makespan - predicted.start_seconds; }

struct MeasuredPool {
  double busy;  ///< Percent of the time.
  double gib;   ///< Peak of tensors on a GPU.
};

/// Compares a prediction with what `wanfarm bench list` reported (docs/performance.md). Times and shares are without
/// loading.
void expect_measured(PlacementMode mode, double seconds, const std::vector<MeasuredPool>& pools) {
  const Prediction predicted = make_plan(measured_request(2, 6, mode)).winner().predicted;
  const double list = list_seconds(predicted);
  EXPECT_NEAR(list, seconds, 0.03 * seconds);
  ASSERT_EQ(predicted.use.size(), pools.size());
  for (std::size_t i = 0; i < pools.size(); ++i) {
    const double busy = 100 * predicted.use[i].utilisation * predicted.makespan / list;
    const std::uint64_t in_tensors = predicted.memory[i].total() - margin_bytes;
    EXPECT_NEAR(busy, pools[i].busy, 3) << predicted.use[i].pool;
    EXPECT_NEAR(static_cast<double>(in_tensors) / gib, pools[i].gib, 0.01 * pools[i].gib) << predicted.use[i].pool;
    std::printf("%s, pool %s: %.1f s (measured %.1f), busy %.1f %% (%.1f), %.2f GiB (%.2f)\n", to_string(mode),
                predicted.use[i].pool.c_str(), list, seconds, busy, pools[i].busy,
                static_cast<double>(in_tensors) / gib, pools[i].gib);
  }
}

TEST(Predict, GivesTheMeasuredListsOfTwoGpus) {
  expect_measured(PlacementMode::resident, 69.1, {{99.3, 70.64}});
  expect_measured(PlacementMode::pipeline, 75.3, {{99.1, 33.04}, {83.2, 43.64}});
}

/// One H200, two clips with --placement swap took 94.1 s when each expert's memory was pinned at its first exchange,
/// for 15 s. Now both are pinned while the first clip's text and high-noise steps are computed, and none waits.
TEST(Predict, GivesTheMeasuredExchanges) {
  PlanRequest request = measured_request(1, 2, PlacementMode::swap);
  request.execution.tf32 = false;
  const Prediction predicted = make_plan(request).winner().predicted;
  EXPECT_NEAR(list_seconds(predicted), 94.1 - 2 * 15, 0.03 * 94.1);
}

TEST(Predict, APartOfALongListPredictsTheWholeWithin5Percent) {
  for (const PlacementMode mode :
       {PlacementMode::resident, PlacementMode::pipeline, PlacementMode::phased, PlacementMode::swap}) {
    PlanRequest request = measured_request(8, 4000, mode);
    for (std::size_t i = 0; i < request.jobs.size(); ++i)
      if (i % 3 == 0) request.jobs[i].frames = i % 2 == 0 ? 49 : 121;
    const PlacementPlan plan = make_plan(request).winner().plan;
    const double predicted = list_seconds(predict(request, shapes_of(request.jobs), plan));
    const double whole = end_of(simulate(request.jobs, simulation_setup(request, plan)));
    EXPECT_NEAR(predicted, whole, 0.05 * whole) << to_string(mode);
    std::printf("%s: %.0f s of a part, %.0f s of the whole list\n", to_string(mode), predicted, whole);
  }
}

TEST(Predict, ClipsThatDifferOnlyInTheSolverHaveTwoShapes) {
  std::vector<Job> jobs(3);
  jobs[1].solver = SolverKind::dpmpp;
  const std::vector<PlannedShape> shapes = shapes_of(jobs);
  ASSERT_EQ(shapes.size(), 2u);
  EXPECT_EQ(shapes[0].clips, 2);
  EXPECT_EQ(shapes[1].clips, 1);
}

TEST(Predict, AListOfFewStepsWithoutGuidanceTakesHalfTheForwards) {
  PlanRequest request = measured_request(1, 8, PlacementMode::resident);
  const auto denoising = [&](const Guidance& guidance) {
    for (Job& job : request.jobs) job.guidance = guidance;
    const PlacementPlan plan = make_plan(request).winner().plan;
    const StageSeconds seconds = simulation_setup(request, plan).seconds(request.jobs.front(), 0);
    return seconds.high + seconds.low;
  };
  EXPECT_DOUBLE_EQ(denoising({4, 3}), 2 * denoising({{}, {}}));
}

TEST(Predict, ClipsThatDifferOnlyInWhichExpertIsGuidedHaveTwoShapes) {
  std::vector<Job> jobs(4);
  jobs[1].guidance = {4.0, {}};
  jobs[2].guidance = {{}, 3.0};
  jobs[3].guidance = {5.0, 5.0};  // another scale takes no other time
  EXPECT_EQ(shapes_of(jobs).size(), 3u);
}

TEST(Predict, PlansFor1024GpusAnd20000ClipsTakeLessThan10SecondsOfCpuTime) {
  for (const auto& [nodes, clips] : {std::pair(8, 248u), {8, 2000u}, {128, 20'000u}}) {
    PlanRequest request = measured_request(1, clips, PlacementMode::resident);
    request.hardware.nodes.assign(static_cast<std::size_t>(nodes), 8);
    request.choices = {};
    const std::clock_t begin = std::clock();
    const std::size_t considered = make_plan(request).considered.size();
    const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    std::printf("%d GPUs, %u clips: %zu placements in %.3f s\n", 8 * nodes, clips, considered, seconds);
    EXPECT_LT(seconds, 10) << "unoptimized builds included";
  }
}

}  // namespace
}  // namespace wf
