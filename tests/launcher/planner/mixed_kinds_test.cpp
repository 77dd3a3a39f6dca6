// tests/launcher/planner/mixed_kinds_test.cpp: plans for clusters with several kinds of GPU: which pool goes where,
// what fits there, and how long it takes.
#include <gtest/gtest.h>

#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

#include "launcher/planner/alike_groups.hpp"
#include "launcher/planner/candidates.hpp"
#include "launcher/planner/dispatch_setup.hpp"
#include "launcher/planner/predict.hpp"
#include "launcher/planner/report.hpp"
#include "launcher/planner/run_plan.hpp"
#include "tests/launcher/planner/plan_requests.hpp"
#include "tests/launcher/program.hpp"

namespace wf {
namespace {

AlikeGpus gpus(int count, const std::string& kind, std::uint64_t memory) { return {count, memory, gpu_figures(kind)}; }

PlanRequest request_on(Hardware hardware, std::size_t clips, std::optional<PlacementMode> mode = {}) {
  PlanRequest request = request_for(1, 1, 0, clips);
  request.hardware = std::move(hardware);
  request.choices.mode = mode;
  return request;
}

/// An h100 of 79 GiB on one node, and another GPU on the next, whichever comes first.
Hardware h100_and(const AlikeGpus& other, bool h100_first) {
  const AlikeGpus h100 = gpus(1, "h100", 79 * gib);
  return mixed_nodes({1, 1}, h100_first ? std::vector{h100, other} : std::vector{other, h100});
}

std::size_t index_of_pool(const PlacementPlan& plan, const std::string& name) {
  return plan.pools.front().name == name ? 0 : 1;
}

TEST(MixedKinds, EachPoolIsCheckedAgainstTheMemoryOfItsOwnGpus) {
  for (const Hardware& hardware : {mixed_nodes({4, 8}, {gpus(4, "h100", 79 * gib), gpus(8, "l40s", 44 * gib)}),
                                   mixed_nodes({8, 4}, {gpus(8, "l40s", 44 * gib), gpus(4, "h100", 79 * gib)})}) {
    const Considered winner = make_plan(request_on(hardware, 248, PlacementMode::pipeline)).winner();
    EXPECT_TRUE(winner.fits());
    for (std::size_t pool = 0; pool < winner.plan.pools.size(); ++pool) {
      const RankMemory& memory = winner.predicted.memory[pool];
      std::uint64_t least = ~0ull;
      for (const AlikeGroups& each : alike_groups(hardware, winner.plan, pool))
        least = std::min(least, each.hardware.memory_bytes);
      EXPECT_EQ(memory.available, least);
      EXPECT_LE(memory.total(), least);
    }
  }
}

TEST(MixedKinds, EachPoolCountsTheConvolutionsOfItsOwnGpus) {
  const auto memory_beside = [](const std::string& kind) {
    const Hardware hardware = mixed_nodes({1, 1}, {gpus(1, kind, 140 * gib), gpus(1, "l40s", 140 * gib)});
    PlanRequest request = request_on(hardware, 8, PlacementMode::resident);
    request.execution.capability = 80;  // of the rank that plans
    return make_plan(request).winner().fullest();
  };
  EXPECT_EQ(memory_beside("a100").total(), memory_beside("h100").total()) << "the l40s needs most in either case";
  PlanRequest alone = request_on(mixed_nodes({1, 1}, {gpus(1, "h100", 140 * gib), gpus(1, "h200", 140 * gib)}), 8,
                                 PlacementMode::resident);
  EXPECT_LT(make_plan(alone).winner().fullest().total(), memory_beside("a100").total()) << "f32 is decoded by ours";
}

/// High-noise steps are two thirds of the work, and an h100 is three times as fast as an l40s.
TEST(MixedKinds, TheFasterGpuTakesThePoolWithMostWorkWhicheverNodeComesFirst) {
  for (const bool h100_first : {true, false}) {
    const Hardware hardware = h100_and(gpus(1, "l40s", 44 * gib), h100_first);
    const PlacementPlan plan = make_plan(request_on(hardware, 64, PlacementMode::pipeline)).winner().plan;
    EXPECT_EQ(index_of_pool(plan, "high"), h100_first ? 0u : 1u) << describe(plan);
    EXPECT_EQ(roles_at_start(plan).at(h100_first ? 0 : 1), Role::high);
    EXPECT_EQ(plan.pool_of(Stage::high).groups, 1);
  }
}

/// An h100 holds both experts, and a GPU of `memory` one expert without decoding.
Hardware small_beside_large(bool large_first) { return h100_and(gpus(1, "l40s", 37 * gib), large_first); }

TEST(MixedKinds, ThePoolThatDecodesIsWhereThatFits) {
  for (const bool large_first : {true, false}) {
    const PlanRequest request = request_on(small_beside_large(large_first), 64, PlacementMode::pipeline);
    const Considered winner = make_plan(request).winner();
    EXPECT_TRUE(winner.fits());
    EXPECT_FALSE(winner.plan.offload_expert_for_decode) << "the larger GPU has room for both";
    const std::size_t small = large_first ? 1 : 0;
    EXPECT_EQ(std::ranges::count(winner.plan.pools[small].stages, Stage::decode), 0) << describe(winner.plan);
    EXPECT_LE(winner.predicted.memory[small].total(), 37 * gib);
    EXPECT_GT(winner.predicted.memory[1 - small].total(), 37 * gib);
  }
}

TEST(MixedKinds, AGroupKeepsItsRoleWhereTheOtherOneDoesNotFit) {
  for (const bool large_first : {true, false}) {
    const PlanRequest request = request_on(small_beside_large(large_first), 64, PlacementMode::pipeline);
    const PlacementPlan plan = make_plan(request).winner().plan;
    EXPECT_EQ(dispatch_options(request, plan).keep_their_role, std::set<int>{large_first ? 1 : 0});
    for (const RankMemory& pool : predict(request, shapes_of(request.jobs), plan).memory)
      EXPECT_EQ(pool.shortage(), 0u) << "also after changes of role in the simulated list";
  }
  const PlanRequest alike = request_for(1, 2, 48 * gib, 64);
  EXPECT_TRUE(dispatch_options(alike, make_plan(alike).winner().plan).keep_their_role.empty());
}

TEST(MixedKinds, WhereNothingFitsThePoolThatLacksMemoryIsNamedWithItsOwn) {
  PlanRequest request = request_on(h100_and(gpus(1, "rtx4090", 23 * gib), true), 8, PlacementMode::pipeline);
  const std::string text = refusal(request, Error::environment);
  EXPECT_NE(text.find("nothing fits GPUs of 23.0 GiB"), std::string::npos) << text;
}

TEST(MixedKinds, ResidentGroupsWorkAtTheirOwnSpeed) {
  const auto seconds = [](const Hardware& hardware) {
    return make_plan(request_on(hardware, 200, PlacementMode::resident)).winner().predicted.makespan;
  };
  const AlikeGpus fast = gpus(1, "h100", 141 * gib), slow = gpus(1, "l40s", 141 * gib);
  const double fast_alone = seconds(equal_nodes(1, 1, 141 * gib, fast.gpu)),
               slow_alone = seconds(equal_nodes(1, 1, 141 * gib, slow.gpu));
  const double together = 1 / (1 / fast_alone + 1 / slow_alone);
  EXPECT_GT(slow_alone, 2 * fast_alone);
  EXPECT_NEAR(seconds(mixed_nodes({1, 1}, {fast, slow})), together, 0.03 * together);
  EXPECT_NEAR(seconds(mixed_nodes({1, 1}, {slow, fast})), together, 0.03 * together);
}

TEST(MixedKinds, AGroupOfSeveralKindsIsAsSlowAndAsSmallAsItsLeast) {
  PlanRequest request = request_on(mixed_nodes({2, 6}, {gpus(2, "h200", 140 * gib), gpus(6, "l40s", 90 * gib)}), 1);
  request.choices = {.guidance = 1, .ulysses = 4, .ring = 1};
  const PlacementPlan forced = make_plan(request).winner().plan;
  EXPECT_TRUE(any_group_mixes_kinds(request.hardware, forced.group_size())) << describe(forced);
  const std::vector<AlikeGroups> groups = alike_groups(request.hardware, forced);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].hardware.gpu.kind, "l40s") << "a group is as slow as its slowest GPU";
  EXPECT_EQ(groups[0].hardware.memory_bytes, 90 * gib);
}

TEST(MixedKinds, TwoKindsWithTheSameFiguresAreAsFastAsOne) {
  const PlanRequest alike = request_for(1, 8, 48 * gib, 64);
  EXPECT_EQ(alike_groups(alike.hardware, make_plan(alike).winner().plan).size(), 1u);
  const AlikeGpus half = gpus(4, "h200", 48 * gib);
  for (const std::size_t clips : {1, 3, 64}) {
    const PlanRequest halves = request_on(mixed_nodes({8}, {half, half}), clips);
    const Considered one = make_plan(request_for(1, 8, 48 * gib, clips)).winner(), two = make_plan(halves).winner();
    EXPECT_EQ(one.plan.mode, two.plan.mode);
    EXPECT_NEAR(one.predicted.makespan, two.predicted.makespan, equally_fast * one.predicted.makespan) << clips;
  }
}

TEST(MixedKinds, OneClipIsSharedByGpusThatDifferInMemoryAlone) {
  const auto seconds = [](const Hardware& hardware) {
    return make_plan(request_on(hardware, 1)).winner().predicted.makespan;
  };
  const double alike = seconds(h200s(1, 8));
  const double other = seconds(mixed_nodes({8}, {gpus(7, "h200", 141 * gib), gpus(1, "h200", 100 * gib)}));
  EXPECT_NEAR(other, alike, equally_fast * alike);
}

/// The bound leaves a tenfold reserve, for builds with sanitizers, too.
TEST(MixedKinds, LargeClustersArePlannedInSecondsOfCpu) {
  const Hardware hardware =
      mixed_nodes(std::vector<int>(64, 8), {gpus(248, "h200", 140 * gib), gpus(264, "l40s", 44 * gib)});
  const std::clock_t begin = std::clock();
  EXPECT_TRUE(make_plan(request_on(hardware, 2000)).winner().fits());
  const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  std::printf("512 GPUs of two kinds, 2000 clips: %.1f s of CPU time\n", seconds);
  EXPECT_LT(seconds, 120);
}

RankResources rank_on(const std::string& host, const std::string& device, std::uint64_t memory) {
  return {.host = host, .device_name = device, .gpu = "", .memory_bytes = memory, .host_bytes = 500 * gib};
}

TEST(MixedKinds, RanksOfARunAreSortedByNodeIntoKinds) {
  const RankResources h100 = rank_on("a", "NVIDIA H100 80GB HBM3", 79 * gib),
                      used = rank_on("a", "NVIDIA H100", 75 * gib), l40s = rank_on("b", "NVIDIA L40S", 44 * gib);
  const ClusterResources ranks = cluster_resources({h100, l40s, used, l40s});
  EXPECT_EQ(ranks.on_node, (std::vector<int>{2, 2}));
  ASSERT_EQ(ranks.kinds.size(), 2u);
  EXPECT_EQ(ranks.kinds[0].count, 2);
  EXPECT_EQ(ranks.kinds[0].memory_bytes, 75 * gib) << "less than a tenth less: of one kind, with the least memory";
  EXPECT_EQ(ranks.kinds[1].memory_bytes, 44 * gib);
  const PlanRequest request = request_for(published_model(), {job_720p()}, on_gpus(), {}, ranks);
  EXPECT_EQ(request.hardware.kinds.at(1).gpu.kind, "l40s");
  EXPECT_EQ(request.hardware.gpu.kind, "l40s") << "the slowest";
  EXPECT_TRUE(cluster_resources({h100, used, h100}).kinds.empty());
  EXPECT_EQ(cluster_resources({h100, rank_on("b", "NVIDIA H100", 40 * gib)}).kinds.size(), 2u)
      << "one kind of GPU with half the memory";
}

TEST(MixedKinds, CpuRanksWithMoreThreadsAreFaster) {
  RankResources one = rank_on("a", "cpu", 0), four = rank_on("b", "cpu", 0);
  four.threads = 4;
  const ClusterResources ranks = cluster_resources({one, four});
  ASSERT_EQ(ranks.kinds.size(), 2u);
  const Hardware hardware = request_for(published_model(), {job_720p()}, Execution(), {}, ranks).hardware;
  EXPECT_DOUBLE_EQ(hardware.kinds[0].gpu.token_seconds, 4 * hardware.kinds[1].gpu.token_seconds);
}

// ---- Groups that span nodes

TEST(GroupsAcrossNodes, ArePlannedWhereFlagsAskForThemAtThePriceOfTheLink) {
  PlanRequest request = request_for(2, 1, 141 * gib, 8);
  request.choices.ulysses = 2;
  const Considered winner = make_plan(request).winner();
  EXPECT_EQ(winner.plan.degrees.ulysses, 2);
  const auto sent = [&](double link) {
    request.hardware.gpu.world_rate = link, request.hardware.gpu.message_seconds = 0;
    return forward_seconds(request.hardware, request.model, {1, 2, 1}, 75600).communication;
  };
  EXPECT_NEAR(sent(1e9), 40 * 4 * 37800.0 * 5120 * 2 / 2 / 1e9, 1e-6) << "blocks, tensors, rows, width, bytes, half";
  EXPECT_DOUBLE_EQ(sent(1e9), 10 * sent(1e10));
}

TEST(GroupsAcrossNodes, AreNotChosenWhereGroupsWithinANodeWin) {
  PlanRequest request = request_for(2, 4, 141 * gib, 1, guided_by({{}, {}}));  // one forward a step
  const auto sequence = [&](double link) {
    request.hardware.gpu.world_rate = link;
    return make_plan(request).winner().plan.sequence();
  };
  EXPECT_EQ(sequence(1e8), 4) << "100 MB/s: within a node";
  EXPECT_EQ(sequence(290e9), 8) << "a link as fast as that within a node";
  EXPECT_EQ(make_plan(request_for(2, 4, 141 * gib, 248)).winner().plan.group_size(), 1) << "a long list";
}

TEST(GroupsAcrossNodes, ArePricedByTheLinkThatWasMeasured) {
  const ClusterResources ranks{{1, 1}, "NVIDIA H200", 139 * gib, 500 * gib};
  PlanningOptions options;
  const auto rate = [&] {
    return request_for(published_model(), {job_720p()}, on_gpus(), options, ranks).hardware.gpu.world_rate;
  };
  EXPECT_EQ(rate(), gpu_figures("h200").world_rate);
  options.link_between_nodes = 1.2e9;
  EXPECT_EQ(rate(), 1.2e9);
}

// ---- The command

class PlanOfKinds : public testing::Test {
 protected:
  PlanOfKinds() { write_file(folder_.path() / "list.yaml", small_list(16)); }
  ProgramResult plan(std::vector<std::string> flags) const {
    flags.insert(flags.begin(), {"plan", "list.yaml", "--model", golden_model_folder()});
    return run(folder_.path(), flags);
  }

 private:
  TempFolder folder_;
};

TEST_F(PlanOfKinds, TakesNodesOfSeveralKinds) {
  const ProgramResult json = plan({"--gpus", "4xh100+8xl40s", "--nodes", "1+2", "--gpu-memory", "50GB", "--json"});
  ASSERT_EQ(json.code, 0) << json.err;
  const auto hardware = nlohmann::json::parse(json.out)["hardware"];
  EXPECT_EQ(hardware["gpus"], (std::vector<int>{4, 8, 8}));
  ASSERT_EQ(hardware["kinds"].size(), 2u);
  EXPECT_EQ(hardware["kinds"][0]["gpu"], "h100");
  EXPECT_EQ(hardware["kinds"][0]["memory_bytes"], 50'000'000'000) << "no more than --gpu-memory";
  EXPECT_EQ(hardware["kinds"][1]["gpus"], 16);
  EXPECT_EQ(hardware["kinds"][1]["memory_bytes"], gpu_figures("l40s").memory_bytes) << "no more than there is";
  const ProgramResult text = plan({"--gpus", "2xh100+2xl40s", "--placement", "pipeline", "--cfg-parallel", "1",
                                   "--high-ranks", "2", "--ulysses", "1", "--ring", "1"});
  EXPECT_EQ(text.code, 0) << text.err;
  for (const char* part : {"2 nodes with 2 GPUs: 2 h100 of 79.1 GiB, 2 l40s of 44.4 GiB;",
                           "Memory of a rank of pool high on 2 ", "Memory of a rank of pool low on 2 "})
    EXPECT_NE(text.out.find(part), std::string::npos) << part << " in " << text.out;
}

TEST_F(PlanOfKinds, RefusesKindsThatAreNone) {
  for (const auto& [flags, why] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"--gpus", "4xh100+8xh300"}, "'h300' is no GPU with known figures"},
           {{"--gpus", "4xh100+l40s"}, "4xh100+8xl40s"},
           {{"--gpus", "0xh100"}, "must be 1 or more"},
           {{"--gpus", "4", "--nodes", "1+2"}, "as many kinds of node"},
           {{"--gpus", "4xh100+8xl40s", "--nodes", "1+2+3"}, "3 numbers for the 2 kinds"},
           {{"--gpus", "4xh100+8xl40s", "--gpu", "h200"}, "--gpus has named the kinds already"},
           {{"--gpus", "4", "--link-between-nodes", "12"}, "12GB/s"}}) {
    const ProgramResult result = plan(flags);
    EXPECT_EQ(result.code, 2) << result.out;
    EXPECT_NE(result.err.find(why), std::string::npos) << result.err;
  }
}

}  // namespace
}  // namespace wf
