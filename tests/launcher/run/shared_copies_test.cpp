// tests/launcher/run/shared_copies_test.cpp: ranks that exchange experts share their copies in host memory, from
// outside.
#include <gtest/gtest.h>

#include "tests/launcher/run/rank_runs.hpp"

namespace wf {
namespace {

const Flags groups_of_one{"--ulysses", "1", "--ring", "1", "--cfg-parallel", "1"};

/// What a run of five clips leaves, with every clip's frames.
struct Run {
  ProgramResult outcome;
  std::map<std::string, Json> frames;
};

Run run_with(int ranks, Flags more, const std::vector<std::string>& environment = {}) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(5, /*steps=*/6));
  more.insert(more.end(), groups_of_one.begin(), groups_of_one.end());
  more.insert(more.end(), {"--log-level", "debug"});
  Run done{run(folder.path(), render_flags(ranks, more), {.environment = environment}), {}};
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

TEST(SharedCopies, AreEachMadeByOneRankForAll) {
  const std::string log = run_with(4, {"--placement", "swap"}).outcome.err;
  EXPECT_EQ(count(log, "4 ranks on "), 0) << log;
  EXPECT_LE(count(log, "copied to host memory in"), 2) << log;
}

TEST(SharedCopies, AreOfEachRankAloneWithOneWarningWhereTheyCannotBeShared) {
  const Run alone = run_with(1, {});
  for (const std::string mode : {"swap", "stream"}) {
    const Run own = run_with(2, {"--placement", mode}, {"WANFARM_SHARE_EXPERTS=0"});
    EXPECT_EQ(own.frames, alone.frames) << mode;
    EXPECT_EQ(count(own.outcome.err, "cannot share their copies of the experts"), 1) << own.outcome.err;
    EXPECT_NE(own.outcome.err.find("WANFARM_SHARE_EXPERTS is 0"), std::string::npos) << own.outcome.err;
  }
}

/// The others still have the copies, whoever made them.
TEST(SharedCopies, StayWhenARankIsKilled) {
  const auto alone = run_with(1, {}).frames;
  for (const std::string fault : {"kill@low#1", "kill@high#2"}) {
    const Run lost = run_with(4, {"--placement", "swap"}, {"WANFARM_FAULT=" + fault});
    EXPECT_NE(lost.outcome.err.find("WANFARM_FAULT: kill"), std::string::npos) << lost.outcome.err;
    EXPECT_EQ(lost.frames, alone) << fault;
  }
}

}  // namespace
}  // namespace wf
