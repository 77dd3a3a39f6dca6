// tests/base/watched_work_test.cpp: what other threads see of a thread's work.
#include "base/watched_work.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace wf {
namespace {

TEST(WatchedWork, IsSeenWhileItLastsAndMovesWhenMarked) {
  EXPECT_TRUE(work_under_way().empty());
  {
    const WatchedWork work("kite", "high");
    ASSERT_EQ(work_under_way().size(), 1u);
    const WorkUnderWay before = work_under_way()[0];
    EXPECT_EQ(before.clip, "kite");
    EXPECT_EQ(before.part, "high");
    mark_progress();
    EXPECT_EQ(work_under_way()[0].progress, before.progress + 1);
    EXPECT_EQ(work_under_way()[0].number, before.number);
  }
  EXPECT_TRUE(work_under_way().empty());
}

TEST(WatchedWork, InnerWorkHidesTheOuterOneWhichHasMovedAfterwards) {
  const WatchedWork outer("kite", "high");
  const WorkUnderWay before = work_under_way()[0];
  {
    const WatchedWork inner("", "load");
    ASSERT_EQ(work_under_way().size(), 1u);
    EXPECT_EQ(work_under_way()[0].part, "load");
    EXPECT_NE(work_under_way()[0].number, before.number);
    mark_progress();
  }
  EXPECT_EQ(work_under_way()[0].number, before.number);
  EXPECT_GT(work_under_way()[0].progress, before.progress);
}

TEST(WatchedWork, EachThreadHasItsOwn) {
  const WatchedWork here("kite", "high");
  std::thread([] {
    mark_progress();  // of no work
    const WatchedWork there("rain", "write");
    EXPECT_EQ(work_under_way().size(), 2u);
    mark_progress();
  }).join();
  ASSERT_EQ(work_under_way().size(), 1u);
  EXPECT_EQ(work_under_way()[0].progress, 0u);
}

}  // namespace
}  // namespace wf
