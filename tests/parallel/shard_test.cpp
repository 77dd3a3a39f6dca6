// tests/parallel/shard_test.cpp: parts cover the whole in order and are even.
#include "parallel/shard.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "parallel/head_exchange.hpp"

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

// ---- Pieces of attention

TEST(AttentionPieces, OfTwoRanksTakeNoMoreTurnsThanOne) {
  // 480p on two H200: 256 tiles of 20 heads are 39 turns of 132 processors. The others' 128 tiles alone would be 20,
  // and the own ones 20 more; with three of the own ones the first piece is 20 still, and the last one 19.
  EXPECT_EQ(attention_pieces(32760, {0, 16380}, 20, 132), (std::vector<Range>{{15992, 16768}, {0, 15992}}));
  EXPECT_EQ(attention_pieces(32760, {16380, 16380}, 20, 132), (std::vector<Range>{{0, 16768}, {16768, 15992}}));
}

TEST(AttentionPieces, AreOneWhereMoreWouldTakeLonger) {
  EXPECT_EQ(attention_pieces(1000, {0, 500}, 4, 132), (std::vector<Range>{{0, 1000}}));
  EXPECT_EQ(attention_pieces(32760, {0, 16380}, 20, 0), (std::vector<Range>{{0, 32760}}));
  EXPECT_EQ(attention_pieces(32760, {0, 16380}, 0, 132), (std::vector<Range>{{0, 32760}}));
}

TEST(AttentionPieces, MakeTheWholeAndEndWithOwnRowsAlone) {
  for (const std::int64_t rows : {1, 700, 1000, 4096, 32760, 75600})
    for (const int ranks : {2, 3, 4, 8})
      for (const Range& own : split(rows, ranks))
        for (const int processors : {1, 7, 132}) {
          const std::vector<Range> pieces = attention_pieces(rows, own, 40 / ranks, processors);
          std::vector<Range> in_order = pieces;
          std::ranges::sort(in_order, {}, &Range::begin);
          std::int64_t end = 0;
          for (const Range& piece : in_order) {
            EXPECT_EQ(piece.begin, end);
            end = piece.end();
          }
          EXPECT_EQ(end, rows);
          const Range& last = pieces.back();
          EXPECT_TRUE(pieces.size() == 1 || (last.begin >= own.begin && last.end() <= own.end()));
        }
}

}  // namespace
}  // namespace wf
