// tests/base/text_test.cpp: short texts for people.
#include "base/text.hpp"

#include <gtest/gtest.h>

namespace wf {
namespace {

TEST(Text, JoinPutsTheSeparatorBetweenTextsAlone) {
  EXPECT_EQ(join({}, ", "), "");
  EXPECT_EQ(join({"a"}, ", "), "a");
  EXPECT_EQ(join({"a", "", "c"}, ", "), "a, , c");
}

TEST(Text, SplitAtCommasKeepsEmptyParts) {
  EXPECT_EQ(split_at_commas("-v,--verbose"), (std::vector<std::string>{"-v", "--verbose"}));
  EXPECT_EQ(split_at_commas("a,,b"), (std::vector<std::string>{"a", "", "b"}));
  EXPECT_EQ(split_at_commas(""), std::vector<std::string>{""});
}

TEST(Text, DurationsShowHoursFromOneOn) {
  EXPECT_EQ(duration_text(252), "4:12");
  EXPECT_EQ(duration_text(3599.4), "59:59");
  EXPECT_EQ(duration_text(3599.6), "1:00:00");
  EXPECT_EQ(duration_text(3852), "1:04:12");
  EXPECT_EQ(duration_text(-1), "0:00");
}

TEST(Text, SizesAreDecimalForDisksAndBinaryForMemory) {
  EXPECT_EQ(gigabytes(57'200'000'000), "57.2 GB");
  EXPECT_EQ(gibibytes(std::uint64_t{3} << 29), "1.5 GiB");
}

}  // namespace
}  // namespace wf
