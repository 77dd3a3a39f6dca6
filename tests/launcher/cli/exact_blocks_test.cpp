// tests/launcher/cli/exact_blocks_test.cpp: the list of --fp8-exact-blocks: what it means, its one shortest form, and
// what is none.
#include "pipeline/exact_blocks.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace wf {
namespace {

TEST(ExactBlocks, AreNumbersAndRangesOfBothExpertsOrOfEach) {
  const BlockNumbers some{0, 1, 38, 39};
  EXPECT_EQ(parse_exact_blocks("none"), ExactBlocks{});
  EXPECT_EQ(parse_exact_blocks("0,1,38-39"), (ExactBlocks{some, some}));
  EXPECT_EQ(parse_exact_blocks("high:0,1,38-39"), (ExactBlocks{some, {}}));
  EXPECT_EQ(parse_exact_blocks("low:5-5"), (ExactBlocks{{}, {5}}));
  EXPECT_EQ(parse_exact_blocks("high:0-1,low:39"), (ExactBlocks{{0, 1}, {39}}));
  EXPECT_EQ(parse_exact_blocks("low:39,high:0,1"), (ExactBlocks{{0, 1}, {39}})) << "a name holds up to the next one";
}

TEST(ExactBlocks, HaveOneTextForAllThatMeanTheSame) {
  const auto shortest = [](const std::string& text) { return to_string(parse_exact_blocks(text)); };
  EXPECT_EQ(shortest("none"), "none");
  EXPECT_EQ(shortest("39,0,1,1,2-3"), "0-3,39");
  EXPECT_EQ(shortest("0-1"), "0,1") << "two blocks are no range";
  EXPECT_EQ(shortest("high:7,low:7"), "7");
  EXPECT_EQ(shortest("low:39,high:0,1,2"), "high:0-2,low:39");
  EXPECT_EQ(shortest("low:4"), "low:4");
  for (const char* const text : {"none", "0", "0-3,39", "high:0-2,low:39", "low:4"}) EXPECT_EQ(shortest(text), text);
}

TEST(ExactBlocks, AnyOtherTextIsRefused) {
  for (const std::string text : {"",          ",",
                                 "0,",        ",0",
                                 "-1",        "1-",
                                 "3-1",       "a",
                                 "0x1",       "1.5",
                                 " 1",        "1 ",
                                 "0;1",       "high",
                                 "high:",     "high:,0",
                                 "mid:0",     "0,high:1",
                                 "high:none", "none,0",
                                 "10000",     "0-99999999999999999999",
                                 "+1"}) {
    try {
      parse_exact_blocks(text);
      ADD_FAILURE() << "accepted: " << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Error::input);
      EXPECT_NE(std::string(error.what()).find("got '" + text + "'"), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace wf
