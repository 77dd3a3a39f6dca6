// tests/parallel/shard_test.cpp: parts cover the whole in order and are even.
#include "parallel/shard.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace wf {
namespace {

TEST(Shard, FortyHeadsOnThreeRanks) {
  EXPECT_EQ(split(40, 3), (std::vector<Range>{{0, 14}, {14, 13}, {27, 13}}));
  EXPECT_EQ(sizes(split(40, 3)), (std::vector<std::int64_t>{14, 13, 13}));
}

TEST(Shard, PartsBeyondTheTotalAreEmpty) {
  EXPECT_EQ(split(2, 4), (std::vector<Range>{{0, 1}, {1, 1}, {2, 0}, {2, 0}}));
  EXPECT_EQ(split(0, 2), (std::vector<Range>{{0, 0}, {0, 0}}));
}

TEST(Shard, PortionsShrinkAndMakeTheWhole) {
  EXPECT_EQ(sizes(shrinking(1300)), (std::vector<std::int64_t>{900, 300, 100}));
  for (std::int64_t total = 0; total <= 200; ++total) {
    const std::vector<Range> portions = shrinking(total);
    EXPECT_EQ(portions[0].begin, 0);
    EXPECT_EQ(portions[1].begin, portions[0].end());
    EXPECT_EQ(portions[2].begin, portions[1].end());
    EXPECT_EQ(portions[2].end(), total);
  }
}

TEST(Shard, PartsFollowEachOtherAndDifferByOneAtMost) {
  for (std::int64_t total = 0; total <= 50; ++total) {
    for (int parts = 1; parts <= 9; ++parts) {
      const std::vector<Range> ranges = split(total, parts);
      ASSERT_EQ(std::ssize(ranges), parts);
      std::int64_t end = 0;
      for (const Range& range : ranges) {
        EXPECT_EQ(range.begin, end);
        end = range.end();
      }
      EXPECT_EQ(end, total);
      EXPECT_LE(ranges.front().size - ranges.back().size, 1);
      EXPECT_TRUE(std::is_sorted(ranges.begin(), ranges.end(), [](auto a, auto b) { return a.size > b.size; }));
    }
  }
}

}  // namespace
}  // namespace wf
