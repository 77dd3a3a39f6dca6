// tests/shapes_check/interval_test.cpp: intervals against published ones, and in the cases where simpler formulas fail.
#include "tests/shapes_check/interval.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/error.hpp"

namespace wf::shapes {
namespace {

constexpr double rounding = 0.5e-4;  // of ends with four decimals

void expect_interval(const char* name, Interval actual, double low, double high, double tolerance = rounding) {
  const double off = std::max(std::abs(actual.low - low), std::abs(actual.high - high));
  std::printf("%s: %.6f to %.6f, %.0f %% of the tolerance\n", name, actual.low, actual.high, 100 * off / tolerance);
  EXPECT_LE(off, tolerance * (1 + 1e-9)) << name;
}

// Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17, 1998, table I,
// method 3.
TEST(ShareInterval, IsThePublishedOne) {
  expect_interval("81 of 263", share_interval(81, 263), 0.2553, 0.3662);
  expect_interval("15 of 148", share_interval(15, 148), 0.0624, 0.1605);
  expect_interval("0 of 20", share_interval(0, 20), 0, 0.1611);
  expect_interval("1 of 29", share_interval(1, 29), 0.0061, 0.1718);
}

// By hand: with every clip right, the formula becomes n / (n + z^2) to 1, and with none 0 to z^2 / (n + z^2).
TEST(ShareInterval, KeepsAWidthIfEveryClipIsRightOrNone) {
  constexpr double z2 = 3.841458820694124;
  expect_interval("10 of 10", share_interval(10, 10), 10 / (10 + z2), 1, 1e-9);
  expect_interval("0 of 10", share_interval(0, 10), 0, z2 / (10 + z2), 1e-9);
  expect_interval("300 of 300", share_interval(300, 300), 300 / (300 + z2), 1, 1e-9);
}

TEST(ShareInterval, ContainsItsShareAndStaysWithinZeroAndOne) {
  for (int all = 1; all <= 40; ++all) {
    for (int right = 0; right <= all; ++right) {
      const Interval interval = share_interval(right, all);
      const double share = static_cast<double>(right) / all;
      EXPECT_TRUE(0 <= interval.low && interval.low <= share + 1e-12 && share - 1e-12 <= interval.high &&
                  interval.high <= 1 && interval.high - interval.low > 0.05)
          << right << " of " << all;
    }
  }
}

TEST(ShareInterval, CountsThatCannotBeAreRefused) {
  EXPECT_THROW(share_interval(0, 0), Error);
  EXPECT_THROW(share_interval(-1, 5), Error);
  EXPECT_THROW(share_interval(6, 5), Error);
}

// Complete response before and after a therapy (Cavo et al., 2012), as Fagerland, Lydersen and Laake work it out in
// "Statistical analysis of contingency tables", 2017, chapter 8, and in its R package contingencytables.
TEST(DifferenceInterval, IsThePublishedOne) {
  expect_interval("59, 6, 16, 80", difference_interval({59, 6, 16, 80}), -0.1186, -0.0046);
}

// The ends are d - sqrt(a^2 - 2 phi a b + b^2), with a from the lower end to the share here, b from the share there to
// its upper end, and d + the same with the other ends. Worked out by hand:
// 3, 1, 0, 0: the shares are 1 (0.5101 to 1) and 0.75 (0.3006 to 0.9544); nothing varies here, so phi = 0, and the ends
//   are 0.25 - sqrt(0.4899^2 + 0.2044^2) and 0.25 + sqrt(0.4494^2 + 0^2).
// 36, 12, 2, 0: 0.96 (0.8654 to 0.9890) and 0.76 (0.6259 to 0.8570); phi = -24 / sqrt(48 2 38 12) = -0.1147.
// 20, 12, 2, 16: 0.64 (0.5014 to 0.7586) and 0.44 (0.3116 to 0.5769); phi = (296 - 25) / sqrt(32 18 22 28) = 0.4550,
//   where 25, half the number of clips, is the continuity correction.
TEST(DifferenceInterval, IsTheOneWorkedOutByHandWithoutAndWithCorrelation) {
  expect_interval("3, 1, 0, 0", difference_interval({3, 1, 0, 0}), -0.2808, 0.6994);
  expect_interval("36, 12, 2, 0", difference_interval({36, 12, 2, 0}), 0.0569, 0.3404);
  expect_interval("20, 12, 2, 16", difference_interval({20, 12, 2, 16}), 0.0562, 0.3292);
}

TEST(DifferenceInterval, KeepsAWidthIfNoClipChanged) {
  const Interval all_right = difference_interval({300, 0, 0, 0});
  expect_interval("300, 0, 0, 0", all_right, -3.841458820694124 / 303.841458820694124,
                  3.841458820694124 / 303.841458820694124, 1e-9);
  const Interval some_right = difference_interval({262, 0, 0, 38});
  EXPECT_LT(some_right.low, -0.005);
  EXPECT_GT(some_right.high, 0.005);
}

// With the same shares, 250 and 248 of 300: prompts that are right in both or in neither tell more than others do.
TEST(DifferenceInterval, IsNarrowerTheMoreOftenBothAgree) {
  const Interval agree = difference_interval({245, 5, 3, 47}), differ = difference_interval({207, 43, 41, 9});
  EXPECT_LT(agree.high - agree.low, 0.5 * (differ.high - differ.low));
}

TEST(DifferenceInterval, OfSwappedFoldersIsTheNegativeOne) {
  const Interval one = difference_interval({250, 4, 6, 40}), other = difference_interval({250, 6, 4, 40});
  EXPECT_NEAR(one.low, -other.high, 1e-12);
  EXPECT_NEAR(one.high, -other.low, 1e-12);
}

TEST(DifferenceInterval, ContainsItsDifferenceAndStaysWithinMinusOneAndOne) {
  const auto check = [](const Pairs& pairs) {
    const Interval interval = difference_interval(pairs);
    const double difference = pairs.difference();
    EXPECT_TRUE(-1 - 1e-12 <= interval.low && interval.low < difference + 1e-12 && difference - 1e-12 < interval.high &&
                interval.high <= 1 + 1e-12)
        << pairs.both << " " << pairs.only_here << " " << pairs.only_there << " " << pairs.neither;
  };
  constexpr int all = 12;
  for (int both = 0; both <= all; ++both) {
    for (int here = 0; both + here <= all; ++here) {
      for (int there = 0; both + here + there <= all; ++there) check({both, here, there, all - both - here - there});
    }
  }
}

}  // namespace
}  // namespace wf::shapes
