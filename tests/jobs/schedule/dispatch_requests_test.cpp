// tests/jobs/schedule/dispatch_requests_test.cpp: what users ask of the dispatcher while a run is at work, and what
// earlier starts of the run left it.
#include <gtest/gtest.h>

#include "tests/jobs/schedule/text_dispatch.hpp"

namespace wf {
namespace {

TEST(Dispatch, WhilePausedNoClipBeginsAndThoseThatHaveBegunGoOn) {
  TextDispatch dispatch({job(), job()}, {high, low});
  dispatch.orders_after_ask(0);
  dispatch.pause();
  dispatch.handed_over(0, 0, {});
  EXPECT_EQ(dispatch.orders_after_ask(0), Orders{}) << "clip 1 has not begun";
  EXPECT_EQ(dispatch.orders_after_ask(1), Orders{"1: clip 0 low-write from 0"});
  dispatch.fetched(1, 0);
  dispatch.done(1, 0, {});
  EXPECT_FALSE(dispatch.over());
  dispatch.resume();
  EXPECT_EQ(dispatch.new_orders(), Orders{"0: clip 1 text-high"});
}

TEST(Dispatch, AClipThatIsGivenUpIsNotRenderedAndItsStateIsReleased) {
  TextDispatch dispatch({job(), job()}, {high, low});
  dispatch.orders_after_ask(0);
  EXPECT_FALSE(dispatch.give_up(0)) << "a group works on it";
  dispatch.handed_over(0, 0, {});
  EXPECT_TRUE(dispatch.give_up(0));
  EXPECT_EQ(dispatch.orders_after_ask(1), Orders{"0: release clip 0"});
  EXPECT_TRUE(dispatch.give_up(1));
  EXPECT_TRUE(dispatch.over());
  EXPECT_FALSE(dispatch.give_up(1)) << "it has been already";
}

TEST(Dispatch, AClipThatIsRetriedBeginsAnew) {
  TextDispatch dispatch({job(), job()}, {high, low});
  dispatch.orders_after_ask(0);
  EXPECT_FALSE(dispatch.retry(0)) << "it has not failed";
  EXPECT_FALSE(dispatch.failed(0, 0, Error::permanent));
  EXPECT_TRUE(dispatch.retry(0));
  EXPECT_FALSE(dispatch.retry(0));
  EXPECT_EQ(dispatch.orders_after_ask(0), Orders{"0: clip 0 text-high"}) << "it has its old turn, before clip 1";
}

TEST(Dispatch, LossesOfEarlierStartsCount) {
  TextDispatch dispatch({job(), job()}, {resident, resident});
  EXPECT_FALSE(dispatch.lost_before(0, 2)) << "two ranks are enough";
  EXPECT_TRUE(dispatch.lost_before(1, 1));
  EXPECT_EQ(dispatch.orders_after_ask(0), Orders{"0: clip 1 text-write"});
  EXPECT_EQ(dispatch.lost(0), std::vector<std::size_t>{1}) << "the second one";
}

}  // namespace
}  // namespace wf
