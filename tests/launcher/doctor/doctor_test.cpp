// tests/launcher/doctor/doctor_test.cpp: findings from made-up reports of several ranks, and the program with real
// ranks.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "launcher/doctor/mpi_version.hpp"
#include "launcher/doctor/rank_findings.hpp"
#include "launcher/doctor/rates.hpp"
#include "launcher/options/byte_count.hpp"
#include "tests/launcher/program.hpp"
#include "tests/text.hpp"

namespace wf {
namespace {

constexpr std::uint64_t GiB = 1ull << 30, MiB = 1ull << 20;

/// Reports of ranks with a GPU each, `per_node` of them on node-0, node-1, ...
RankReports gpu_ranks(int ranks, int per_node) {
  RankReports reports(static_cast<std::size_t>(ranks));
  for (int rank = 0; rank < ranks; ++rank) {
    RankReport& report = reports[static_cast<std::size_t>(rank)];
    report.rank = rank;
    report.host = "node-" + std::to_string(rank / per_node);
    report.threads = 8;
    report.node_bytes = 512 * GiB;
    report.ranks_on_node = per_node;
    report.wanfarm = "0.1.0", report.torch = "2.11.0", report.nccl = "2.27.5", report.driver = "580.82.07";
    report.mpi = "Open MPI v4.1.4";
    report.device = "NVIDIA H200";
    report.gpu = rank % per_node;
    report.pci = "0000:1" + std::to_string(report.gpu) + ":00.0";
    report.gpu_bytes = 140 * GiB, report.gpu_free = 139 * GiB;
    report.gpus_seen = per_node;
    for (int a = 0; a < per_node; ++a)
      for (int b = a + 1; b < per_node; ++b) report.pairs.push_back({a, b, true});
    report.lockable = std::numeric_limits<std::uint64_t>::max();
    report.pinned_gb_per_s = 50;
    report.shm_bytes = 64 * GiB, report.shm_free = 63 * GiB;
  }
  return reports;
}

/// The only finding that is not ok.
Finding only_problem(const Findings& findings) {
  const auto not_ok = [](const Finding& finding) { return finding.mark != Finding::ok; };
  EXPECT_EQ(std::count_if(findings.begin(), findings.end(), not_ok), 1);
  const auto found = std::find_if(findings.begin(), findings.end(), not_ok);
  return found == findings.end() ? Finding{} : *found;
}

void expect_all_ok(const Findings& findings) {
  for (const Finding& finding : findings) EXPECT_EQ(finding.mark, Finding::ok) << finding.what << ": " << finding.text;
}

TEST(Doctor, HealthyRanksGiveNoWarning) {
  const RankReports reports = gpu_ranks(8, 4);
  for (const auto& look : {rank_table, problems, shared_gpus, differences, gpu_links, pinned_memory, shared_memory})
    expect_all_ok(look(reports));
  EXPECT_TRUE(shared_gpus(reports).empty()) << "GPU 0 of another node is another GPU";
  EXPECT_TRUE(can_use_nccl(reports));
}

TEST(Doctor, TheTableHasASummaryAndOneLineForEachRank) {
  const Findings table = rank_table(gpu_ranks(8, 4));
  ASSERT_EQ(table.size(), 9u);
  EXPECT_EQ(table[0].text, "8 on 2 machines: node-0 (4), node-1 (4)");
  EXPECT_EQ(table[6].what, "rank 5");
  EXPECT_EQ(table[6].text, "node-1  GPU 1 at 0000:11:00.0  NVIDIA H200  140.0 GiB, 139.0 GiB free  8 threads");
}

TEST(Doctor, AGpuThatOthersUseIsAWarning) {
  RankReports reports = gpu_ranks(2, 2);
  reports[1].gpu_free = 100 * GiB;
  const Finding found = only_problem(rank_table(reports));
  EXPECT_EQ(found.mark, Finding::warn);
  EXPECT_EQ(found.what, "rank 1");
  EXPECT_TRUE(contains(found.text, "40.0 GiB")) << found.text;
}

TEST(Doctor, TwoRanksOnOneGpuAreNamedWithNodeAndGpu) {
  RankReports reports = gpu_ranks(4, 2);
  reports[3].gpu = 0;  // the index does not matter, the PCI address does
  reports[3].pci = reports[2].pci;
  const Finding found = only_problem(shared_gpus(reports));
  EXPECT_EQ(found.mark, Finding::missing);
  for (const char* part : {"ranks 2, 3", "node-1", "NVIDIA H200", "0000:10:00.0", "NCCL", "at most 2"})
    EXPECT_TRUE(contains(found.text, part)) << part << " in: " << found.text;
  EXPECT_FALSE(can_use_nccl(reports));
}

struct Difference {
  const char* name;
  std::string RankReport::*property;
  Finding::Mark mark;
};
class Differing : public testing::TestWithParam<Difference> {};
INSTANTIATE_TEST_SUITE_P(All, Differing,
                         testing::Values(Difference{"wanfarm", &RankReport::wanfarm, Finding::missing},
                                         Difference{"LibTorch", &RankReport::torch, Finding::warn},
                                         Difference{"MPI", &RankReport::mpi, Finding::warn},
                                         Difference{"NCCL", &RankReport::nccl, Finding::missing},
                                         Difference{"device", &RankReport::device, Finding::warn},
                                         Difference{"driver", &RankReport::driver, Finding::warn}),
                         [](const auto& difference) { return std::string(difference.param.name); });

TEST_P(Differing, PropertiesAreShownWithTheirRanks) {
  RankReports reports = gpu_ranks(4, 2);
  const std::string usual = reports[0].*GetParam().property;
  reports[2].*GetParam().property = "other";
  const Finding found = only_problem(differences(reports));
  EXPECT_EQ(found.mark, GetParam().mark);
  for (const std::string& part :
       {GetParam().name + std::string(":"), usual + " on ranks 0, 1, 3", std::string("other on rank 2")})
    EXPECT_TRUE(contains(found.text, part)) << part << " in: " << found.text;
}

TEST(Doctor, MpiIsTooOldBelowOpenMpi41OrMpi31) {
  const MpiVersion good{"Open MPI v4.1.4", 3, 1};
  EXPECT_EQ(mpi_finding(good, good).mark, Finding::ok);
  EXPECT_EQ(mpi_finding(good, {"Open MPI v5.0.3", 3, 1}).mark, Finding::warn)
      << "not the release that it was built with";
  EXPECT_EQ(mpi_finding(good, {"Open MPI v4.1.6", 3, 1}).mark, Finding::ok) << "another patch";
  EXPECT_EQ(mpi_finding(good, {"Open MPI v4.0.5", 3, 1}).mark, Finding::missing);
  EXPECT_EQ(mpi_finding(good, {"Open MPI v10.0.0", 4, 1}).mark, Finding::warn) << "10 is more than 4";
  EXPECT_EQ(mpi_finding({"", 4, 0}, {"MPICH Version:\t4.0.2", 4, 0}).mark, Finding::ok);
  EXPECT_EQ(mpi_finding({"", 3, 0}, {"MPICH Version:\t3.0.4", 3, 0}).mark, Finding::missing);
  EXPECT_EQ(mpi_finding(mpi_built_with(), mpi_at_run_time()).mark, Finding::ok) << "the MPI of this test";
}

TEST(Doctor, ASmallOrFullDevShmIsNamedWithItsNodeAndTheCure) {
  RankReports reports = gpu_ranks(4, 2);
  for (const int rank : {2, 3}) reports[static_cast<std::size_t>(rank)].shm_bytes = 64 * MiB;
  const Finding small = only_problem(shared_memory(reports));
  EXPECT_EQ(small.mark, Finding::warn);
  for (const char* part : {"node-1: 64 MiB", "--shm-size"}) EXPECT_TRUE(contains(small.text, part)) << small.text;
  reports = gpu_ranks(2, 2);
  for (RankReport& report : reports) report.shm_free = 100 * MiB;
  EXPECT_TRUE(contains(only_problem(shared_memory(reports)).text, "100 MiB free of 64.0 GiB"));
}

TEST(Doctor, ALowMemlockMattersWithInfiniBandOrWhenPinningFails) {
  RankReports reports = gpu_ranks(2, 2);
  for (RankReport& report : reports) report.lockable = 64 * 1024;
  expect_all_ok(pinned_memory(reports));
  for (RankReport& report : reports) report.infiniband = true;
  const Finding low = only_problem(pinned_memory(reports));
  EXPECT_EQ(low.mark, Finding::warn);
  for (const char* part : {"64 KiB", "InfiniBand", "memlock"}) EXPECT_TRUE(contains(low.text, part)) << low.text;

  reports = gpu_ranks(2, 2);
  reports[1].pinning_problem = "out of memory";
  const Finding failed = only_problem(pinned_memory(reports));
  EXPECT_TRUE(contains(failed.text, "rank 1 on node-0 cannot pin 1 GiB")) << failed.text;
  EXPECT_TRUE(contains(failed.text, "out of memory")) << failed.text;
}

TEST(Doctor, GpuLinksAreNamedPairByPairUnlessAllAreAlike) {
  RankReports reports = gpu_ranks(2, 2);
  EXPECT_EQ(gpu_links(reports).front().text, "GPU 0 - GPU 1: direct (NVLink or PCIe peer access)");
  EXPECT_TRUE(contains(gpu_links(gpu_ranks(8, 8)).front().text, "all 28 pairs of GPUs: direct"));
  reports = gpu_ranks(3, 3);
  for (RankReport& report : reports) report.pairs = {{0, 1, true}, {0, 2, false}, {1, 2, false}};
  const Finding slow = only_problem(gpu_links(reports));
  EXPECT_TRUE(contains(slow.text, "GPU 0 - GPU 2, GPU 1 - GPU 2: through host memory")) << slow.text;
  EXPECT_TRUE(contains(gpu_links(gpu_ranks(4, 2)).front().text, "every machine: ")) << "one finding for both nodes";
}

TEST(Doctor, ARanksOwnProblemIsShownWithItsRank) {
  RankReports reports = gpu_ranks(2, 1);
  reports[1].problem = "no device";
  EXPECT_EQ(only_problem(problems(reports)), (Finding{Finding::missing, "rank 1", "node-1: no device"}));
}

TEST(Doctor, TrialsFitIntoMemory) {
  const auto bytes = [](const RankReports& reports) {
    return static_cast<std::uint64_t>(choose_trials(reports).back().bytes);
  };
  EXPECT_EQ(bytes(gpu_ranks(2, 2)), 64 * MiB);
  EXPECT_EQ(bytes(gpu_ranks(65, 1)), 16 * MiB) << "1 GiB altogether";
  RankReports reports = gpu_ranks(3, 3);
  reports[2].gpu_free = 64 * MiB;
  EXPECT_EQ(bytes(reports), 4 * MiB) << "an eighth of it, to two others";
}

TEST(Doctor, NodesWithSeveralRanksHaveTrialsOfTheirOwn) {
  const auto kinds = [](const RankReports& reports) {
    std::vector<Trial::What> chosen;
    for (const Trial& trial : choose_trials(reports)) chosen.push_back(trial.what);
    return chosen;
  };
  using Kinds = std::vector<Trial::What>;
  EXPECT_EQ(kinds(gpu_ranks(2, 1)), (Kinds{Trial::between_nodes}));
  EXPECT_EQ(kinds(gpu_ranks(2, 2)), (Kinds{Trial::sharing, Trial::all_ranks}));
  EXPECT_EQ(kinds(gpu_ranks(4, 2)),
            (Kinds{Trial::sharing, Trial::within_nodes, Trial::all_ranks, Trial::between_nodes}));
}

TEST(Doctor, TheRateIsThatOfTheSlowestRankAndFailuresAreQuoted) {
  const Trial trial{.what = Trial::all_ranks, .nccl = true, .bytes = 100'000'000};
  std::vector<TrialResult> results(4);
  for (int rank = 0; rank < 4; ++rank) {
    results[static_cast<std::size_t>(rank)].rank = rank;
    results[static_cast<std::size_t>(rank)].peers = 3;
    results[static_cast<std::size_t>(rank)].seconds = rank == 2 ? 0.01 : 0.002;
  }
  EXPECT_EQ(trial_finding(trial, results),
            (Finding{Finding::ok, "all-to-all",
                     "NCCL, over all ranks: each rank sends 30.0 GB/s, 95.4 MiB to each of 3 others"}));
  for (const std::size_t rank : {1, 2, 3}) results[rank].problem = "unhandled system error";
  EXPECT_EQ(trial_finding(trial, results),
            (Finding{Finding::missing, "all-to-all", "NCCL, over all ranks: ranks 1-3: unhandled system error"}));
}

TEST(Doctor, TheLinkBetweenNodesIsSaidAsPlansTakeIt) {
  const Trial trial{.what = Trial::between_nodes, .nccl = true, .bytes = 100'000'000};
  const std::vector<TrialResult> results{{.rank = 0, .peers = 2, .host = "a", .seconds = 0.1, .problem = ""},
                                         {.rank = 1, .peers = 2, .host = "b", .seconds = 0.16, .problem = ""}};
  EXPECT_EQ(trial_finding(trial, results),
            (Finding{Finding::ok, "all-to-all",
                     "NCCL, between machines: each rank sends 1.2 GB/s, 95.4 MiB to each of 2 others; plans take it "
                     "from --link-between-nodes 1.2GB/s, or from link_between_nodes: 1.2GB/s in the site's file"}));
  EXPECT_EQ(parse_rate(link_text(1.25e9)), 1.2e9);
  EXPECT_EQ(parse_rate(link_text(117'300'000)), 117e6);
}

/// How often `part` appears in `text`.
std::size_t count(const std::string& text, const std::string& part) {
  std::size_t times = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++times;
  return times;
}

TEST(DoctorProgram, OnlyRank0PrintsTheFindingsOfAllRanks) {
  const TempFolder folder;
  const ProgramResult outcome = run(folder.path(), {"doctor", "--ranks", "2", "--device", "cpu"});
  EXPECT_EQ(outcome.code, 0) << outcome.out << outcome.err;
  for (const char* line :
       {"ok      ranks           2 on 1 machine", "ok      rank 0 ", "ok      rank 1 ", "ok      LibTorch ",
        "ok      shared memory ", "ok      all-to-all      MPI on CPUs, over all ranks: each rank sends "})
    EXPECT_EQ(count(outcome.out, line), 1u) << line << "\n" << outcome.out;
}

TEST(DoctorProgram, SomethingMissingMeansExitCode3AlsoWithRanks) {
  const TempFolder folder;
  const ProgramResult outcome = run(folder.path(), {"doctor", "--ranks", "2", "--device", "cpu", "--model", "nowhere"});
  EXPECT_EQ(outcome.code, 3) << outcome.out << outcome.err;
  EXPECT_EQ(count(outcome.out, "missing model"), 1u) << outcome.out;
  EXPECT_EQ(count(outcome.out, "all-to-all"), 1u) << "a missing model does not end the checks of the ranks";
}

TEST(DoctorProgram, ARankWithoutTheRequestedGpuIsMissingSomething) {
  const TempFolder folder;
  const Surroundings no_gpu{.environment = {"CUDA_VISIBLE_DEVICES="}};
  const ProgramResult outcome = run(folder.path(), {"doctor", "--ranks", "2", "--device", "cuda"}, no_gpu);
  EXPECT_EQ(outcome.code, 3) << outcome.out << outcome.err;
  for (const char* line : {"missing rank 0 ", "missing rank 1 "})
    EXPECT_EQ(count(outcome.out, line), 1u) << outcome.out;
}

TEST(DoctorProgram, AProcessAloneShowsItsLimitsAndLibraries) {
  const TempFolder folder;
  const ProgramResult outcome = run(folder.path(), {"doctor", "--device", "cpu"});
  for (const char* part : {"ulimit -l", "/dev/shm", "libmpi", "libz", "libavutil", "CLI11", "nlohmann-json"})
    EXPECT_TRUE(contains(outcome.out, part)) << part << "\n" << outcome.out;
  EXPECT_FALSE(contains(outcome.out, "rank 0")) << outcome.out;
}

}  // namespace
}  // namespace wf
