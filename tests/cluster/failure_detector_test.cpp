// tests/cluster/failure_detector_test.cpp: which ranks count as lost, and when.
#include "cluster/failure_detector.hpp"

#include <gtest/gtest.h>

namespace wf {
namespace {

TEST(FailureDetector, ReportsARankThatWasSilentForLongerThanTheTimeout) {
  FailureDetector detector(8);
  for (const int rank : {1, 2, 3}) detector.watch(rank, 0);
  for (double now = 0.1; now < 7.9; now += 0.1) {
    EXPECT_TRUE(detector.timed_out(now).empty());
    detector.heard(2, now);
  }
  detector.forget(3);
  EXPECT_EQ(detector.timed_out(8.2), std::vector{1});
  detector.heard(1, 8.2);
  EXPECT_TRUE(detector.timed_out(8.3).empty());
}

TEST(FailureDetector, GrantsTheTimeInWhichItsOwnProcessWasSuspended) {
  FailureDetector detector(8);
  detector.watch(1, 0);
  EXPECT_TRUE(detector.timed_out(1).empty());
  EXPECT_TRUE(detector.timed_out(60).empty()) << "no heartbeat could arrive while this node was suspended";
  for (double now = 60.5; now < 67; now += 0.5) EXPECT_TRUE(detector.timed_out(now).empty());
  EXPECT_EQ(detector.timed_out(67.5), std::vector{1});
}

TEST(FailureDetector, IgnoresRanksThatItDoesNotWatch) {
  FailureDetector detector(8);
  detector.heard(5, 1);
  EXPECT_TRUE(detector.timed_out(100).empty());
}

}  // namespace
}  // namespace wf
