// tests/launcher/run/shared_copies_test.cpp: ranks that exchange experts share their copies in host memory, from
// outside.
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <set>
#include <sstream>

#include "tests/launcher/run/rank_runs.hpp"

namespace wf {
namespace {

const Flags groups_of_one{"--ulysses", "1", "--ring", "1", "--cfg-parallel", "1"};

/// What a run of five clips leaves, with every clip's frames.
struct FinishedRun {
  ProgramResult outcome;
  std::map<std::string, Json> frames;
};

FinishedRun run_with(int ranks, Flags more, const std::vector<std::string>& environment = {}) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(5, /*steps=*/6));
  more.insert(more.end(), groups_of_one.begin(), groups_of_one.end());
  more.insert(more.end(), {"--log-level", "debug"});
  FinishedRun done{run(folder.path(), render_flags(ranks, more), {.environment = environment}), {}};
  EXPECT_EQ(done.outcome.code, 0) << done.outcome.err;
  done.frames = of_sidecars(folder.path(), "frames_sha256");
  EXPECT_EQ(done.frames.size(), 5u);
  return done;
}

int count(const std::string& text, const std::string& of) {
  int found = 0;
  for (std::size_t at = text.find(of); at != std::string::npos; at = text.find(of, at + 1)) ++found;
  return found;
}

TEST(SharedCopies, GiveTheFramesOfOneRank) {
  const auto alone = run_with(1, {}).frames;
  for (const std::string mode : {"swap", "stream"})
    for (const int ranks : {2, 4}) EXPECT_EQ(run_with(ranks, {"--placement", mode}).frames, alone) << mode << ranks;
}

/// The files of memory that a process has mapped for experts, by their numbers.
std::set<std::string> expert_files(pid_t process) {
  std::set<std::string> files;
  std::istringstream maps(read_file("/proc/" + std::to_string(process) + "/maps"));
  for (std::string range, rights, offset, device, inode, name; maps >> range >> rights >> offset >> device >> inode;) {
    std::getline(maps, name);
    if (name.find("/memfd:wanfarm-expert") != std::string::npos) files.insert(inode);
  }
  return files;
}

/// Files with a name would stay behind when ranks are killed.
TEST(SharedCopies, AreTheSameMemoryInAllRanksAndHaveNoName) {
  const TempFolder folder;
  write_file(folder / "list.yaml", long_list(4, /*steps=*/40));
  Flags flags{"--placement", "swap", "--log-level", "trace"};
  flags.insert(flags.end(), groups_of_one.begin(), groups_of_one.end());
  Program program(folder.path(), render_flags(4, flags));
  ASSERT_TRUE(wait_for_a_step(program, 0));
  const std::map<int, pid_t> ranks = ranks_in(folder.path());
  ASSERT_EQ(ranks.size(), 4u);
  std::set<std::set<std::string>> of_ranks;
  for (const auto& [rank, process] : ranks) of_ranks.insert(expert_files(process));
  EXPECT_EQ(of_ranks.size(), 1u);
  EXPECT_EQ(of_ranks.begin()->size(), 2u) << "one of each expert";
  for (const auto& [rank, process] : ranks) ::kill(process, SIGKILL);
  program.wait();
  for (const auto& entry : std::filesystem::directory_iterator("/dev/shm"))
    EXPECT_EQ(entry.path().filename().string().find("wanfarm"), std::string::npos) << entry.path();
}

TEST(SharedCopies, AreEachMadeByOneRankForAll) {
  const std::string log = run_with(4, {"--placement", "swap"}).outcome.err;
  EXPECT_EQ(count(log, "4 ranks on "), 0) << log;
  EXPECT_LE(count(log, "copied to host memory in"), 2) << log;
}

TEST(SharedCopies, AreOfEachRankAloneWithOneWarningWhereTheyCannotBeShared) {
  const FinishedRun alone = run_with(1, {});
  for (const std::string mode : {"swap", "stream"}) {
    const FinishedRun own = run_with(2, {"--placement", mode}, {"WANFARM_SHARE_EXPERTS=0"});
    EXPECT_EQ(own.frames, alone.frames) << mode;
    EXPECT_EQ(count(own.outcome.err, "cannot share their copies of the experts"), 1) << own.outcome.err;
    EXPECT_NE(own.outcome.err.find("WANFARM_SHARE_EXPERTS is 0"), std::string::npos) << own.outcome.err;
  }
}

/// The others still have the copies, whoever made them.
TEST(SharedCopies, StayWhenARankIsKilled) {
  const auto alone = run_with(1, {}).frames;
  for (const std::string fault : {"kill@low#1", "kill@high#2"}) {
    const FinishedRun lost = run_with(4, {"--placement", "swap"}, {"WANFARM_FAULT=" + fault});
    EXPECT_NE(lost.outcome.err.find("WANFARM_FAULT: kill"), std::string::npos) << lost.outcome.err;
    EXPECT_EQ(lost.frames, alone) << fault;
  }
}

}  // namespace
}  // namespace wf
