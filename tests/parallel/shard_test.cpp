// tests/parallel/shard_test.cpp: shares cover the whole in order and differ by one at most; attention in chunks.
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

TEST(Shard, ShrinkingChunksMakeTheWhole) {
  EXPECT_EQ(sizes(shrinking(1300, 3)), (std::vector<std::int64_t>{900, 300, 100}));
  EXPECT_EQ(sizes(shrinking(700, 2)), (std::vector<std::int64_t>{400, 200, 100}));
  for (std::int64_t total = 0; total <= 200; ++total) {
    const std::vector<Range> chunks = shrinking(total, 3);
    EXPECT_EQ(chunks[0].begin, 0);
    EXPECT_EQ(chunks[1].begin, chunks[0].end());
    EXPECT_EQ(chunks[2].begin, chunks[1].end());
    EXPECT_EQ(chunks[2].end(), total);
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

static_assert(share_of(40, 3, 1) == Range{14, 13} && part_with(40, 3, 27) == 2 &&
              heads_before({27, 13}, {0, 14}) == 13);

TEST(Shard, ShareOfAndPartWithAgreeWithSplit) {
  for (std::int64_t total = 0; total <= 50; ++total) {
    for (int parts = 1; parts <= 9; ++parts) {
      const std::vector<Range> ranges = split(total, parts);
      for (int part = 0; part < parts; ++part) {
        const Range& share = ranges[static_cast<std::size_t>(part)];
        EXPECT_EQ(share_of(total, parts, part), share);
        for (std::int64_t item = share.begin; item < share.end(); ++item)
          EXPECT_EQ(part_with(total, parts, item), part);
      }
    }
  }
}

TEST(Shard, HeadsBeforeAShareAreThoseOfEarlierRanksWithoutTheOwnOnes) {
  for (std::int64_t heads = 0; heads <= 50; ++heads) {
    for (int ranks = 1; ranks <= 9; ++ranks) {
      for (int own = 0; own < ranks; ++own) {
        std::int64_t before = 0;
        for (int other = 0; other < ranks; ++other) {
          if (other == own) continue;
          const Range share = share_of(heads, ranks, other);
          EXPECT_EQ(heads_before(share, share_of(heads, ranks, own)), before) << heads << " heads, rank " << other;
          before += share.size;
        }
      }
    }
  }
}

// ---- Chunks of attention

TEST(AttentionChunks, OfTwoRanksTakeNoMoreRoundsOfTilesThanOneChunk) {
  // 480p on two H200: 256 tiles of 20 heads are 39 rounds on 132 multiprocessors. The 128 tiles of the other rank alone
  // would take 20 rounds, and the own tiles 20 more. With three own tiles added, the first chunk still takes 20 rounds,
  // and the last one 19.
  EXPECT_EQ(attention_chunks(32760, {0, 16380}, 20, 132), (std::vector<Range>{{15992, 16768}, {0, 15992}}));
  EXPECT_EQ(attention_chunks(32760, {16380, 16380}, 20, 132), (std::vector<Range>{{0, 16768}, {16768, 15992}}));
}

TEST(AttentionChunks, AreOneIfMoreWouldTakeLonger) {
  EXPECT_EQ(attention_chunks(1000, {0, 500}, 4, 132), (std::vector<Range>{{0, 1000}}));
  EXPECT_EQ(attention_chunks(32760, {0, 16380}, 20, 0), (std::vector<Range>{{0, 32760}}));
  EXPECT_EQ(attention_chunks(32760, {0, 16380}, 0, 132), (std::vector<Range>{{0, 32760}}));
}

TEST(AttentionChunks, MakeTheWholeAndTheLastHoldsOwnRowsAlone) {
  for (const std::int64_t rows : {1, 700, 1000, 4096, 32760, 75600})
    for (const int ranks : {2, 3, 4, 8})
      for (const Range& own : split(rows, ranks))
        for (const int processors : {1, 7, 132}) {
          const std::vector<Range> chunks = attention_chunks(rows, own, 40 / ranks, processors);
          std::vector<Range> in_order = chunks;
          std::ranges::sort(in_order, {}, &Range::begin);
          std::int64_t end = 0;
          for (const Range& chunk : in_order) {
            EXPECT_EQ(chunk.begin, end);
            end = chunk.end();
          }
          EXPECT_EQ(end, rows);
          const Range& last = chunks.back();
          EXPECT_TRUE(chunks.size() == 1 || (last.begin >= own.begin && last.end() <= own.end()));
        }
}

}  // namespace
}  // namespace wf
