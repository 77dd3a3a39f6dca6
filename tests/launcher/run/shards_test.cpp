// tests/launcher/run/shards_test.cpp: a list that several programs render at once, each a shard of it.
#include <gtest/gtest.h>

#include <memory>

#include "jobs/output/sidecar.hpp"
#include "tests/launcher/program.hpp"
#include "tests/text.hpp"

namespace wf {
namespace {

class ShardedList : public ::testing::Test {
 protected:
  ShardedList() { folder_.write("list.yaml", small_list(5)); }

  std::vector<std::string> command(const std::vector<std::string>& more) const {
    std::vector<std::string> all{"render",    "list.yaml", "--model", golden_model_folder().string(),
                                 "--threads", "1",         "--codec", "y4m"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  ProgramResult render(const std::vector<std::string>& more) const { return run(folder_.path(), command(more)); }

  std::string frames_of(const Path& sidecar) const { return read_sidecar(folder_ / sidecar.string()).frames_sha256; }

  TempFolder folder_;
};

TEST_F(ShardedList, RenderedAtOnceHasTheFramesOfTheWholeList) {
  ASSERT_EQ(render({"--output", "whole"}).code, 0);
  {
    Program one(folder_.path(), command({"--shard", "1/2"})), two(folder_.path(), command({"--shard", "2/2"}));
    ASSERT_EQ(one.wait().code, 0);
    ASSERT_EQ(two.wait().code, 0);
  }
  int seen = 0;
  for (const char* const shard : {"renders/shard-1-of-2", "renders/shard-2-of-2"})
    for (int i = 1; i <= 5; ++i) {
      const std::string name = "clip-" + std::to_string(i) + ".json";
      if (!std::filesystem::exists(folder_ / (std::string(shard) + "/" + name))) continue;
      ++seen;
      EXPECT_EQ(frames_of(std::string(shard) + "/" + name), frames_of("whole/" + name));
    }
  EXPECT_EQ(seen, 5) << "each clip is in one shard";
}

TEST_F(ShardedList, IsOneRunForThoseWhoRead) {
  ASSERT_EQ(render({"--shard", "1/2"}).code, 0);
  const ProgramResult half = run(folder_.path(), {"status"});
  EXPECT_TRUE(contains(half.out, "exit code 75")) << half.out;
  EXPECT_TRUE(contains(half.out, "of 1 of 2 shards")) << half.out;
  ASSERT_EQ(render({"--shard", "2/2"}).code, 0);
  const ProgramResult status = run(folder_.path(), {"status"});
  EXPECT_TRUE(contains(status.out, "5 clips of 2 of 2 shards: 5 done")) << status.out;
  EXPECT_TRUE(contains(status.out, "exit code 0")) << status.out;
  EXPECT_TRUE(contains(run(folder_.path(), {"explain", "renders", "clip-5"}).out, "clip-5"));
  ASSERT_EQ(run(folder_.path(), {"report", "renders"}).code, 0);
  const std::string html = read_file(folder_ / "renders/report.html");
  for (int i = 1; i <= 5; ++i) EXPECT_TRUE(contains(html, "clip-" + std::to_string(i) + ".y4m")) << i;
  EXPECT_TRUE(contains(html, "shard-1-of-2/clip-")) << "a link to the video";
}

TEST_F(ShardedList, GoesOnWhereAShardWasLeft) {
  ASSERT_EQ(render({"--shard", "1/2"}).code, 0);
  const ProgramResult again = render({"--shard", "1/2"});
  EXPECT_EQ(again.code, 0);
  EXPECT_TRUE(contains(again.err, "0 rendered, 3 finished before") ||
              contains(again.err, "0 rendered, 2 finished before"))
      << again.err;
}

TEST_F(ShardedList, IsNotDividedInAnotherWayInTheSameFolder) {
  ASSERT_EQ(render({"--shard", "1/2"}).code, 0);
  const ProgramResult other = render({"--shard", "1/3"}), whole = render({});
  EXPECT_EQ(other.code, 2);
  EXPECT_TRUE(contains(other.err, "renders holds shards of 2, not of 3")) << other.err;
  EXPECT_EQ(whole.code, 2);
  EXPECT_TRUE(contains(whole.err, "renders holds shards of 2: render them with --shard I/2")) << whole.err;
}

TEST_F(ShardedList, IsNotDividedIntoMoreShardsThanClips) {
  const ProgramResult result = render({"--shard", "6/6"});
  EXPECT_EQ(result.code, 2);
  EXPECT_TRUE(contains(result.err, "5 clips cannot be divided into 6 shards (--shard I/5 at most)")) << result.err;
  EXPECT_EQ(render({"--shard", "3/2"}).code, 2);
}

TEST_F(ShardedList, IsControlledShardByShard) {
  ASSERT_EQ(render({"--shard", "1/2"}).code, 0);
  const ProgramResult result = run(folder_.path(), {"control", "renders", "drain"});
  EXPECT_EQ(result.code, 2);
  EXPECT_TRUE(contains(result.err, "name one, such as renders/shard-1-of-2")) << result.err;
}

}  // namespace
}  // namespace wf
