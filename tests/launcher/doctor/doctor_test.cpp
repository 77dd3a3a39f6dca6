// tests/launcher/doctor_test.cpp: what doctor makes of the facts of several ranks, and the program with real ranks.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "launcher/doctor/mpi_version.hpp"
#include "launcher/doctor/rank_findings.hpp"
#include "launcher/doctor/rates.hpp"
#include "tests/launcher/program.hpp"

namespace wf {
namespace {

constexpr std::uint64_t GiB = 1ull << 30, MiB = 1ull << 20;

/// Ranks with a GPU each, `per_host` of them on node-0, node-1, ...
RankReports gpu_ranks(int ranks, int per_host) {
  RankReports reports(static_cast<std::size_t>(ranks));
  for (int rank = 0; rank < ranks; ++rank) {
    RankReport& report = reports[static_cast<std::size_t>(rank)];
    report.rank = rank;
    report.host = "node-" + std::to_string(rank / per_host);
    report.threads = 8;
    report.host_bytes = 512 * GiB;
    report.host_ranks = per_host;
    report.wanfarm = "0.1.0", report.torch = "2.11.0", report.nccl = "2.27.5", report.driver = "580.82.07";
    report.mpi = "Open MPI v4.1.4";
    report.device = "NVIDIA H200";
    report.gpu = rank % per_host;
    report.pci = "0000:1" + std::to_string(report.gpu) + ":00.0";
    report.gpu_bytes = 140 * GiB, report.gpu_free = 139 * GiB;
    report.gpus_seen = per_host;
    for (int a = 0; a < per_host; ++a)
      for (int b = a + 1; b < per_host; ++b) report.pairs.push_back({a, b, true});
    report.lockable = std::numeric_limits<std::uint64_t>::max();
    report.pinned_gb_per_s = 50;
    report.shm_bytes = 64 * GiB, report.shm_free = 63 * GiB;
  }
  return reports;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// The only one that is not well.
Finding only_problem(const Findings& findings) {
  const auto not_well = [](const Finding& finding) { return finding.mark != Finding::ok; };
  EXPECT_EQ(std::count_if(findings.begin(), findings.end(), not_well), 1);
  const auto found = std::find_if(findings.begin(), findings.end(), not_well);
  return found == findings.end() ? Finding{} : *found;
}

void expect_all_well(const Findings& findings) {
  for (const Finding& finding : findings) EXPECT_EQ(finding.mark, Finding::ok) << finding.what << ": " << finding.words;
}

TEST(Doctor, RanksThatAreWellGiveNoWarning) {
  const RankReports reports = gpu_ranks(8, 4);
  for (const auto& look : {rank_table, problems, shared_gpus, differences, gpu_links, pinned_memory, shared_memory})
    expect_all_well(look(reports));
  EXPECT_TRUE(shared_gpus(reports).empty()) << "GPU 0 of another machine is another GPU";
  EXPECT_TRUE(can_use_nccl(reports));
}

TEST(Doctor, TheTableHasOneLineForEachRank) {
  const Findings table = rank_table(gpu_ranks(8, 4));
  ASSERT_EQ(table.size(), 9u);
  EXPECT_EQ(table[0].words, "8 on 2 machines: node-0 (4), node-1 (4)");
  EXPECT_EQ(table[6].what, "rank 5");
  EXPECT_EQ(table[6].words, "node-1  GPU 1 at 0000:11:00.0  NVIDIA H200  140.0 GiB, 139.0 GiB free  8 threads");
}

TEST(Doctor, AGpuThatOthersUseIsAWarning) {
  RankReports reports = gpu_ranks(2, 2);
  reports[1].gpu_free = 100 * GiB;
  const Finding found = only_problem(rank_table(reports));
  EXPECT_EQ(found.mark, Finding::warn);
  EXPECT_EQ(found.what, "rank 1");
  EXPECT_TRUE(contains(found.words, "40.0 GiB")) << found.words;
}

TEST(Doctor, TwoRanksOnOneGpuAreNamedWithMachineAndGpu) {
  RankReports reports = gpu_ranks(4, 2);
  reports[3].gpu = 0;  // by any number: what counts is where the GPU is
  reports[3].pci = reports[2].pci;
  const Finding found = only_problem(shared_gpus(reports));
  EXPECT_EQ(found.mark, Finding::missing);
  for (const char* part : {"ranks 2, 3", "node-1", "NVIDIA H200", "0000:10:00.0", "NCCL", "at most 2"})
    EXPECT_TRUE(contains(found.words, part)) << part << " in: " << found.words;
  EXPECT_FALSE(can_use_nccl(reports));
}

struct Difference {
  const char* name;
  std::string RankReport::*fact;
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

TEST_P(Differing, FactsAreShownWithTheirRanks) {
  RankReports reports = gpu_ranks(4, 2);
  const std::string usual = reports[0].*GetParam().fact;
  reports[2].*GetParam().fact = "other";
  const Finding found = only_problem(differences(reports));
  EXPECT_EQ(found.mark, GetParam().mark);
  for (const std::string& part :
       {GetParam().name + std::string(":"), usual + " on ranks 0, 1, 3", std::string("other on rank 2")})
    EXPECT_TRUE(contains(found.words, part)) << part << " in: " << found.words;
}

TEST(Doctor, MpiIsTooOldBelowOpenMpi41OrMpi31) {
  const MpiVersion good{"Open MPI v4.1.4", 3, 1};
  EXPECT_EQ(mpi_finding(good, good).mark, Finding::ok);
  EXPECT_EQ(mpi_finding(good, {"Open MPI v5.0.3", 3, 1}).mark, Finding::warn) << "not the one it was built with";
  EXPECT_EQ(mpi_finding(good, {"Open MPI v4.1.6", 3, 1}).mark, Finding::ok) << "another patch";
  EXPECT_EQ(mpi_finding(good, {"Open MPI v4.0.5", 3, 1}).mark, Finding::missing);
  EXPECT_EQ(mpi_finding(good, {"Open MPI v10.0.0", 4, 1}).mark, Finding::warn) << "10 is more than 4";
  EXPECT_EQ(mpi_finding({"", 4, 0}, {"MPICH Version:\t4.0.2", 4, 0}).mark, Finding::ok);
  EXPECT_EQ(mpi_finding({"", 3, 0}, {"MPICH Version:\t3.0.4", 3, 0}).mark, Finding::missing);
  EXPECT_EQ(mpi_finding(mpi_built_with(), mpi_at_run_time()).mark, Finding::ok) << "this one";
}

TEST(Doctor, ASmallOrFullDevShmIsNamedWithItsMachineAndTheCure) {
  RankReports reports = gpu_ranks(4, 2);
  for (const int rank : {2, 3}) reports[static_cast<std::size_t>(rank)].shm_bytes = 64 * MiB;
  const Finding small = only_problem(shared_memory(reports));
  EXPECT_EQ(small.mark, Finding::warn);
  for (const char* part : {"node-1: 64 MiB", "--shm-size"}) EXPECT_TRUE(contains(small.words, part)) << small.words;
  reports = gpu_ranks(2, 2);
  for (RankReport& report : reports) report.shm_free = 100 * MiB;
  EXPECT_TRUE(contains(only_problem(shared_memory(reports)).words, "100 MiB free of 64.0 GiB"));
}

TEST(Doctor, ALowMemlockMattersWithInfiniBandOrWhenPinningFails) {
  RankReports reports = gpu_ranks(2, 2);
  for (RankReport& report : reports) report.lockable = 64 * 1024;
  expect_all_well(pinned_memory(reports));
  for (RankReport& report : reports) report.infiniband = true;
  const Finding low = only_problem(pinned_memory(reports));
  EXPECT_EQ(low.mark, Finding::warn);
  for (const char* part : {"64 KiB", "InfiniBand", "memlock"}) EXPECT_TRUE(contains(low.words, part)) << low.words;

  reports = gpu_ranks(2, 2);
  reports[1].pinning_problem = "out of memory";
  const Finding failed = only_problem(pinned_memory(reports));
  EXPECT_TRUE(contains(failed.words, "rank 1 on node-0 cannot pin 1 GiB")) << failed.words;
  EXPECT_TRUE(contains(failed.words, "out of memory")) << failed.words;
}

TEST(Doctor, LinksAreNamedPairByPairUnlessAllAreAlike) {
  RankReports reports = gpu_ranks(2, 2);
  EXPECT_EQ(gpu_links(reports).front().words, "GPU 0 - GPU 1: direct (NVLink or PCIe peer access)");
  EXPECT_TRUE(contains(gpu_links(gpu_ranks(8, 8)).front().words, "all 28 pairs of GPUs: direct"));
  reports = gpu_ranks(3, 3);
  for (RankReport& report : reports) report.pairs = {{0, 1, true}, {0, 2, false}, {1, 2, false}};
  const Finding slow = only_problem(gpu_links(reports));
  EXPECT_TRUE(contains(slow.words, "GPU 0 - GPU 2, GPU 1 - GPU 2: through host memory")) << slow.words;
  EXPECT_TRUE(contains(gpu_links(gpu_ranks(4, 2)).front().words, "every machine: ")) << "said once for both";
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

TEST(Doctor, MachinesAreTriedWhereTheyHaveSeveralRanks) {
  const auto whats = [](const RankReports& reports) {
    std::vector<Trial::What> chosen;
    for (const Trial& trial : choose_trials(reports)) chosen.push_back(trial.what);
    return chosen;
  };
  using Whats = std::vector<Trial::What>;
  EXPECT_EQ(whats(gpu_ranks(2, 1)), (Whats{Trial::all}));
  EXPECT_EQ(whats(gpu_ranks(2, 2)), (Whats{Trial::sharing, Trial::all}));
  EXPECT_EQ(whats(gpu_ranks(4, 2)), (Whats{Trial::sharing, Trial::within, Trial::all}));
}

TEST(Doctor, RatesAreThoseOfTheSlowestAndErrorsHaveTheirWords) {
  const Trial trial{.what = Trial::all, .nccl = true, .bytes = 100'000'000};
  std::vector<Tried> tried(4);
  for (int rank = 0; rank < 4; ++rank) {
    tried[static_cast<std::size_t>(rank)].rank = rank;
    tried[static_cast<std::size_t>(rank)].peers = 3;
    tried[static_cast<std::size_t>(rank)].seconds = rank == 2 ? 0.01 : 0.002;
  }
  EXPECT_EQ(trial_finding(trial, tried),
            (Finding{Finding::ok, "all-to-all",
                     "NCCL, over all ranks: each rank sends 30.0 GB/s, 95.4 MiB to each of 3 others"}));
  for (const std::size_t rank : {1, 2, 3}) tried[rank].problem = "unhandled system error";
  EXPECT_EQ(trial_finding(trial, tried),
            (Finding{Finding::missing, "all-to-all", "NCCL, over all ranks: ranks 1-3: unhandled system error"}));
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t times = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++times;
  return times;
}

TEST(DoctorProgram, OneVoiceSpeaksForAllRanks) {
  const TempFolder folder;
  const Outcome outcome = run(folder.path(), {"doctor", "--ranks", "2", "--device", "cpu"});
  EXPECT_EQ(outcome.code, 0) << outcome.out << outcome.err;
  for (const char* line :
       {"ok      ranks           2 on 1 machine", "ok      rank 0 ", "ok      rank 1 ", "ok      LibTorch ",
        "ok      shared memory ", "ok      all-to-all      MPI on CPUs, over all ranks: each rank sends "})
    EXPECT_EQ(count(outcome.out, line), 1u) << line << "\n" << outcome.out;
}

TEST(DoctorProgram, SomethingMissingIsCode3AlsoOfRanks) {
  const TempFolder folder;
  const Outcome outcome = run(folder.path(), {"doctor", "--ranks", "2", "--device", "cpu", "--model", "nowhere"});
  EXPECT_EQ(outcome.code, 3) << outcome.out << outcome.err;
  EXPECT_EQ(count(outcome.out, "missing model"), 1u) << outcome.out;
  EXPECT_EQ(count(outcome.out, "all-to-all"), 1u) << "and the ranks are looked at all the same";
}

TEST(DoctorProgram, ARankWithoutTheGpuThatIsAskedForSaysSo) {
  const TempFolder folder;
  const Surroundings no_gpu{.environment = {"CUDA_VISIBLE_DEVICES="}};
  const Outcome outcome = run(folder.path(), {"doctor", "--ranks", "2", "--device", "cuda"}, no_gpu);
  EXPECT_EQ(outcome.code, 3) << outcome.out << outcome.err;
  for (const char* line : {"missing rank 0 ", "missing rank 1 "})
    EXPECT_EQ(count(outcome.out, line), 1u) << outcome.out;
}

TEST(DoctorProgram, AProcessAloneLooksAtItsLimits) {
  const TempFolder folder;
  const Outcome outcome = run(folder.path(), {"doctor", "--device", "cpu"});
  for (const char* part : {"ulimit -l", "/dev/shm", "libmpi", "libz", "libavutil", "CLI11", "nlohmann-json"})
    EXPECT_TRUE(contains(outcome.out, part)) << part << "\n" << outcome.out;
  EXPECT_FALSE(contains(outcome.out, "rank 0")) << outcome.out;
}

}  // namespace
}  // namespace wf
