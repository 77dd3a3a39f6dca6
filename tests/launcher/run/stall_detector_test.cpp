// tests/launcher/run/stall_detector_test.cpp: work that does not move is found, and none that does.
#include "launcher/run/stall_detector.hpp"

#include <gtest/gtest.h>

namespace wf {
namespace {

WorkUnderWay work(std::uint64_t number, std::uint64_t progress, const std::string& part = "high") {
  return {number, "kite", part, progress};
}

double ten_seconds(const WorkUnderWay&) { return 10; }

TEST(StallDetector, FindsWorkThatHasNotMovedForLongerThanThePatience) {
  StallDetector detector;
  for (double now = 0; now <= 10; now += 0.5) {
    detector.note(1, {work(7, 3)}, now);
    EXPECT_FALSE(detector.find(now, ten_seconds)) << now;
  }
  detector.note(1, {work(7, 3)}, 10.5);
  const std::optional<Stall> stall = detector.find(10.5, ten_seconds);
  ASSERT_TRUE(stall);
  EXPECT_EQ(stall->rank, 1);
  EXPECT_EQ(to_string(stall->work), "in clip kite, stage high");
  EXPECT_EQ(stall->seconds, 10.5);
}

TEST(StallDetector, WorkThatMovesOrEndsIsNoStall) {
  StallDetector detector;
  for (int i = 0; i < 100; ++i) {
    detector.note(1, {work(7, static_cast<std::uint64_t>(i))}, i * 0.5);
    detector.note(2, {work(static_cast<std::uint64_t>(i), 0)}, i * 0.5);  // new work each time
    EXPECT_FALSE(detector.find(i * 0.5, ten_seconds));
  }
  detector.note(1, {}, 50);
  detector.note(2, {}, 50);
  for (double now = 50; now < 100; now += 0.5) EXPECT_FALSE(detector.find(now, ten_seconds)) << now;
}

TEST(StallDetector, WhatStoodStillFirstIsNamedFirst) {
  StallDetector detector;
  detector.note(2, {work(1, 0)}, 0);
  for (double now = 1; now <= 15; now += 0.5) {
    detector.note(2, {work(1, 0)}, now);
    detector.note(1, {work(1, 0)}, now);
    static_cast<void>(detector.find(now, [](const auto&) { return 100.0; }));
  }
  EXPECT_EQ(detector.find(15, ten_seconds)->rank, 2);
  detector.forget(2);
  EXPECT_EQ(detector.find(15, ten_seconds)->rank, 1);
}

TEST(StallDetector, PatienceIsThatOfTheWork) {
  StallDetector detector;
  const Patience patience = [](const WorkUnderWay& each) { return each.part == "low" ? 100.0 : 2.0; };
  for (double now = 0; now <= 2; now += 0.5) {
    detector.note(1, {work(1, 0, "low"), work(2, 0, "write")}, now);
    EXPECT_FALSE(detector.find(now, patience));
  }
  detector.note(1, {work(1, 0, "low"), work(2, 0, "write")}, 3);
  EXPECT_EQ(detector.find(3, patience)->work.part, "write");
}

TEST(StallDetector, ARankThatReportsNoMoreIsNotCalledHung) {
  StallDetector detector;
  for (double now = 0; now <= 5; now += 0.5) detector.note(1, {work(1, 0)}, now);
  for (double now = 5; now < 100; now += 0.5) EXPECT_FALSE(detector.find(now, ten_seconds)) << now;
}

TEST(StallDetector, ASuspendedNodeIsGrantedTheTimeThatItMissed) {
  StallDetector detector;
  detector.note(1, {work(1, 0)}, 0);
  EXPECT_FALSE(detector.find(0, ten_seconds));
  detector.note(1, {work(1, 0)}, 3600);
  EXPECT_FALSE(detector.find(3600, ten_seconds)) << "this process was not running";
  for (double now = 3600; now <= 3610; now += 0.5) {
    detector.note(1, {work(1, 0)}, now);
    EXPECT_FALSE(detector.find(now, ten_seconds)) << now;
  }
  detector.note(1, {work(1, 0)}, 3610.5);
  EXPECT_TRUE(detector.find(3610.5, ten_seconds));
}

}  // namespace
}  // namespace wf
