// tests/launcher/bench/fp8_rule_test.cpp: which blocks and steps `bench fp8` recommends, by made-up errors.
#include "launcher/bench/fp8_rule.hpp"

#include <gtest/gtest.h>

namespace wf {
namespace {

TEST(Fp8Rule, BlocksAreThoseOfMoreThanTwiceTheMedian) {
  EXPECT_EQ(conspicuous_blocks({0.5, 0.1, 0.1, 0.2, 0.1, 0.201}), (BlockNumbers{0})) << "the median is 0.15";
  EXPECT_EQ(conspicuous_blocks({0.1, 0.1, 0.2, 0.1, 0.3}), (BlockNumbers{4})) << "twice is not more than twice";
  EXPECT_EQ(conspicuous_blocks({0.1, 0.1}), BlockNumbers{});
  EXPECT_EQ(conspicuous_blocks({0, 0, 0, 0.1}), (BlockNumbers{3}));
}

TEST(Fp8Rule, StepsAreLookedAtWhereTheClipBeginsAndEnds) {
  EXPECT_FALSE(ends_are_conspicuous({{0, 1}, {20, 1}, {39, 2}}, 40));
  EXPECT_TRUE(ends_are_conspicuous({{0, 1}, {20, 1}, {39, 2.1}}, 40));
  EXPECT_TRUE(ends_are_conspicuous({{0, 3}, {20, 1}, {39, 1}}, 40));
  EXPECT_FALSE(ends_are_conspicuous({{0, 1}, {20, 9}, {39, 1}}, 40)) << "steps in the middle cannot be exact";
  EXPECT_FALSE(ends_are_conspicuous({{0, 1}, {13, 1}, {26, 9}}, 40)) << "the last step of one expert, not of the clip";
}

TEST(Fp8Rule, FlagsCanBeTypedAsTheyStandThere) {
  EXPECT_EQ(rule_flags({}, false), "--fp8-exact-blocks none --fp8-exact-steps auto");
  EXPECT_EQ(rule_flags({{0}, {0}}, false), "--fp8-exact-blocks 0 --fp8-exact-steps auto");
  const ExactBlocks blocks{{0, 1, 2}, {39}};
  EXPECT_EQ(rule_flags(blocks, true), "--fp8-exact-blocks high:0-2,low:39 --fp8-exact-steps 1");
  EXPECT_EQ(parse_exact_blocks("high:0-2,low:39"), blocks);
}

}  // namespace
}  // namespace wf
