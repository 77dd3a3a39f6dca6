// tests/jobs/schedule/dispatch_test.cpp: tests each rule of the dispatcher by itself, with a few groups.
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "tests/jobs/schedule/text_dispatch.hpp"

namespace wf {
namespace {

TEST(Dispatch, AResidentGroupTakesAClipFromTextToWrite) {
  TextDispatch dispatch({job(), job()}, {resident});
  EXPECT_EQ(dispatch.orders_after_ask(0), Orders{"0: clip 0 text-write"});
  dispatch.done(0, 0, {});
  EXPECT_EQ(dispatch.orders_after_ask(0), Orders{"0: clip 1 text-write"});
  EXPECT_FALSE(dispatch.over());
  dispatch.done(0, 1, {});
  EXPECT_TRUE(dispatch.over());
}

TEST(Dispatch, ARequestWaitsUntilAClipIsHandedOver) {
  TextDispatch dispatch({job()}, {high, low});
  EXPECT_EQ(dispatch.orders_after_ask(1), Orders{});
  EXPECT_EQ(dispatch.orders_after_ask(0), Orders{"0: clip 0 text-high"});
  dispatch.handed_over(0, 0, {});
  EXPECT_EQ(dispatch.new_orders(), Orders{"1: clip 0 low-write from 0"});
}

TEST(Dispatch, AGroupMayAskWhileItsLastClipIsBeingWritten) {
  TextDispatch dispatch({job(), job()}, {resident});
  dispatch.orders_after_ask(0);
  EXPECT_EQ(dispatch.orders_after_ask(0), Orders{"0: clip 1 text-write"});
  dispatch.done(0, 0, {});
  dispatch.done(0, 1, {});
  EXPECT_TRUE(dispatch.over());
}

TEST(Dispatch, ClipsAreOrderedByPriorityThenByHowNearTheEndTheyAre) {
  TextDispatch dispatch({job(64, 1), job(), job(), job()}, {low, high}, {.light = {.text = low, .decode = high}});
  dispatch.stored_before(1, Stage::decode);
  dispatch.stored_before(2, Stage::high);
  dispatch.stored_before(0, Stage::high);
  EXPECT_EQ(dispatch.orders_after_ask(1), Orders{"1: clip 0 high-high"});
  EXPECT_EQ(dispatch.orders_after_ask(1), Orders{"1: clip 1 decode-write"});
  EXPECT_EQ(dispatch.orders_after_ask(1), Orders{"1: clip 2 high-high"});
}

TEST(Dispatch, TheLongestShapeComesFirstAndEqualClipsKeepTheOrderOfTheList) {
  TextDispatch dispatch({job(64), job(128), job(64), job(128)}, {resident});
  Orders order;
  for (int i = 0; i < 4; ++i) order.push_back(dispatch.orders_after_ask(0).at(0));
  EXPECT_EQ(order,
            (Orders{"0: clip 1 text-write", "0: clip 3 text-write", "0: clip 0 text-write", "0: clip 2 text-write"}));
}

TEST(Dispatch, TextAndDecodeAreDoneInTheChosenPools) {
  TextDispatch dispatch({job()}, {high, low}, {.light = {.text = low, .decode = high}});
  EXPECT_EQ(dispatch.orders_after_ask(1), Orders{"1: clip 0 text-text"});
  dispatch.handed_over(1, 0, {});
  EXPECT_EQ(dispatch.orders_after_ask(0), Orders{"0: clip 0 high-high from 1"});
  dispatch.fetched(0, 0);
  dispatch.handed_over(0, 0, {});
  EXPECT_EQ(dispatch.orders_after_ask(1), Orders{"1: clip 0 low-low from 0"});
  dispatch.fetched(1, 0);
  dispatch.handed_over(1, 0, {});
  EXPECT_EQ(dispatch.orders_after_ask(0), Orders{"0: clip 0 decode-write from 1"});
}

TEST(Dispatch, AGroupWithAllItsSlotsTakenWaitsUntilAStateIsFetched) {
  TextDispatch dispatch({job(), job(), job()}, {high, low}, {.stashed_per_group = 1, .change_seconds = 1e9});
  dispatch.orders_after_ask(0);
  dispatch.handed_over(0, 0, {});
  EXPECT_EQ(dispatch.orders_after_ask(0), Orders{}) << "one is stashed";
  EXPECT_EQ(dispatch.orders_after_ask(1), Orders{"1: clip 0 low-write from 0"});
  dispatch.fetched(1, 0);
  EXPECT_EQ(dispatch.new_orders(), Orders{"0: clip 1 text-high"});
}

TEST(Dispatch, AClipTakesItsSlotBeforeItIsHandedOver) {
  TextDispatch dispatch({job(), job()}, {high, low}, {.stashed_per_group = 1, .change_seconds = 1e9});
  dispatch.orders_after_ask(0);
  EXPECT_EQ(dispatch.orders_after_ask(0), Orders{}) << "the group asks before it has handed over";
  dispatch.handed_over(0, 0, {});
  EXPECT_EQ(dispatch.new_orders(), Orders{});
  dispatch.orders_after_ask(1);
  dispatch.fetched(1, 0);
  EXPECT_EQ(dispatch.new_orders(), Orders{"0: clip 1 text-high"});
}

TEST(Dispatch, PeekGivesTheNextAssignmentAndChangesNothing) {
  TextDispatch dispatch({job(), job(), job()}, {high, low, low});
  EXPECT_FALSE(dispatch.peek(1)) << "no clip waits for the low-noise expert";
  for (const std::size_t clip : {0u, 1u}) {
    EXPECT_EQ(dispatch.peek(0)->clip, clip);
    EXPECT_EQ(dispatch.peek(0)->holder, -1);
    dispatch.orders_after_ask(0);
    dispatch.handed_over(0, clip, {});
  }
  EXPECT_EQ(to_text({1, *dispatch.peek(1)}), "1: clip 0 low-write from 0");
  EXPECT_EQ(to_text({2, *dispatch.peek(2, {0})}), "2: clip 1 low-write from 0");
  EXPECT_FALSE(dispatch.peek(2, {0, 1}));
  EXPECT_EQ(dispatch.orders_after_ask(1), Orders{"1: clip 0 low-write from 0"}) << "as without the peeks";
  EXPECT_EQ(dispatch.peek(2)->clip, 1u);
  dispatch.stop();
  EXPECT_FALSE(dispatch.peek(2));
}

TEST(Dispatch, AllGroupsTogetherStashNoMoreThanTheTotal) {
  TextDispatch dispatch({job(), job(), job()}, {high, high, low}, {.stashed_in_total = 1, .change_seconds = 1e9});
  EXPECT_EQ(dispatch.orders_after_ask(0), Orders{"0: clip 0 text-high"});
  EXPECT_EQ(dispatch.orders_after_ask(1), Orders{}) << "the slot is reserved";
  dispatch.handed_over(0, 0, {});
  dispatch.orders_after_ask(2);
  dispatch.fetched(2, 0);
  EXPECT_EQ(dispatch.new_orders(), Orders{"1: clip 1 text-high"});
}

TEST(Dispatch, AGroupAloneTakesSeveralClipsThroughEachExpert) {
  TextDispatch dispatch({job(), job(), job()}, {high}, {.stashed_per_group = 2});
  for (const std::size_t clip : {0u, 1u}) {
    EXPECT_EQ(dispatch.orders_after_ask(0), Orders{"0: clip " + std::to_string(clip) + " text-high"});
    dispatch.handed_over(0, clip, {});
  }
  EXPECT_EQ(dispatch.orders_after_ask(0), Orders{"0: change to low"});
  for (const std::size_t clip : {0u, 1u}) {
    EXPECT_EQ(dispatch.orders_after_ask(0), Orders{"0: clip " + std::to_string(clip) + " low-write from 0"});
    dispatch.fetched(0, clip);
    dispatch.done(0, clip, {});
  }
  EXPECT_EQ(dispatch.orders_after_ask(0), Orders{"0: change to high"});
}

TEST(Dispatch, AnIdleGroupChangesItsRoleWhereThatPays) {
  const std::vector<Job> jobs(100, job());
  const auto all_high = [](const Job& job, Stage stage) { return without(Stage::low, job, stage); };
  TextDispatch pays(jobs, {high, low}, {.change_seconds = 60}, all_high);
  EXPECT_EQ(pays.orders_after_ask(1), Orders{"1: change to high"});
  TextDispatch costs_more(jobs, {high, low}, {.change_seconds = 10'000}, all_high);
  EXPECT_EQ(costs_more.orders_after_ask(1), Orders{});
  TextDispatch little_left(std::vector<Job>(10, job()), {high, high, high, low}, {.change_seconds = 60}, all_high);
  EXPECT_EQ(little_left.orders_after_ask(3), Orders{}) << "87 s become 80 s, for 60 s of loading";
  TextDispatch balanced(jobs, {high, high, low}, {.change_seconds = 60});
  EXPECT_EQ(balanced.orders_after_ask(2), Orders{}) << "two groups to one fit 26 s to 14 s";
}

TEST(Dispatch, ARoleIsKeptForTheLeastTime) {
  TextDispatch dispatch(std::vector<Job>(100, job()), {high, low, low},
                        {.stashed_per_group = 1, .change_seconds = 1, .least_seconds_in_role = 600});
  EXPECT_EQ(dispatch.orders_after_ask(1, 100), Orders{"1: change to high"});
  EXPECT_EQ(dispatch.orders_after_ask(1, 101), Orders{"1: clip 0 text-high"});
  dispatch.handed_over(1, 0, {});
  EXPECT_EQ(dispatch.orders_after_ask(2, 150), Orders{"2: clip 0 low-write from 1"});
  dispatch.fetched(2, 0);
  dispatch.done(2, 0, {0, 0, 1000, 0, 0});  // much longer than predicted
  EXPECT_EQ(dispatch.orders_after_ask(1, 200), Orders{"1: clip 1 text-high"});
  dispatch.handed_over(1, 1, {});
  EXPECT_EQ(dispatch.orders_after_ask(1, 699), Orders{}) << "its slot is taken, and it must not change yet";
  EXPECT_EQ(dispatch.new_orders(700), Orders{"1: change to low"});
}

TEST(Dispatch, MeasuredSecondsCorrectThePredictions) {
  TextDispatch dispatch(std::vector<Job>(100, job()), {high, high, low, low}, {.change_seconds = 60});
  dispatch.orders_after_ask(0);
  EXPECT_EQ(dispatch.orders_after_ask(3), Orders{}) << "as predicted, two and two is best";
  dispatch.handed_over(0, 0, {0.1, 2600, 0, 0, 0});
  EXPECT_EQ(dispatch.new_orders(), Orders{"3: clip 0 low-write from 0"});
  EXPECT_EQ(dispatch.orders_after_ask(2), Orders{"2: change to high"});
}

TEST(Dispatch, AFailedClipStartsAgainAfterAllOthersUntilItsRetriesAreUsedUp) {
  TextDispatch dispatch({job(), job()}, {resident}, {.retries = 1});
  dispatch.orders_after_ask(0);
  EXPECT_TRUE(dispatch.failed(0, 0, Error::transient));
  EXPECT_EQ(dispatch.orders_after_ask(0), Orders{"0: clip 1 text-write"});
  EXPECT_EQ(dispatch.orders_after_ask(0), Orders{"0: clip 0 text-write"});
  EXPECT_FALSE(dispatch.failed(0, 0, Error::transient));
  EXPECT_FALSE(dispatch.failed(0, 1, Error::permanent)) << "would fail every time";
  EXPECT_EQ(dispatch.orders_after_ask(0), Orders{"0: no more work"});
}

TEST(Dispatch, AClipThatFailsBeforeTheFetchKeepsItsStateUntilItIsGivenUp) {
  TextDispatch dispatch({job(), job()}, {high, low}, {.retries = 1, .stashed_per_group = 1, .change_seconds = 1e9});
  dispatch.orders_after_ask(0);
  dispatch.handed_over(0, 0, {});
  EXPECT_EQ(dispatch.orders_after_ask(0), Orders{}) << "clip 0 takes the only slot";
  dispatch.orders_after_ask(1);
  EXPECT_TRUE(dispatch.failed(1, 0, Error::transient));
  EXPECT_EQ(dispatch.orders_after_ask(1), Orders{"1: clip 0 low-write from 0"});
  EXPECT_FALSE(dispatch.failed(1, 0, Error::transient));
  EXPECT_EQ(dispatch.new_orders(), (Orders{"0: release clip 0", "0: clip 1 text-high"}));
}

TEST(Dispatch, ClipsOfALostGroupStartAgainElsewhereAndOthersContinue) {
  TextDispatch dispatch({job(), job(), job()}, {high, high, low}, {.stashed_in_total = 3, .change_seconds = 1e9});
  dispatch.orders_after_ask(0);
  dispatch.orders_after_ask(1);
  dispatch.handed_over(0, 0, {});  // group 0 keeps its state
  dispatch.orders_after_ask(0);    // and works on clip 2
  EXPECT_TRUE(dispatch.lost(0).empty());
  dispatch.handed_over(1, 1, {});
  EXPECT_EQ(dispatch.orders_after_ask(2), Orders{"2: clip 1 low-write from 1"});
  EXPECT_EQ(dispatch.orders_after_ask(1), Orders{"1: clip 0 text-high"}) << "it keeps its turn";
  EXPECT_EQ(dispatch.orders_after_ask(1), Orders{"1: clip 2 text-high"})
      << "after clip 0: it counts as failed, since it may have caused the loss";
}

TEST(Dispatch, AClipWhoseGroupsAreAllLostIsGivenUp) {
  TextDispatch dispatch({job()}, {resident, resident, resident}, {.retries = 1});
  dispatch.orders_after_ask(0);
  EXPECT_TRUE(dispatch.lost(0).empty());
  dispatch.orders_after_ask(1);
  EXPECT_EQ(dispatch.lost(1), std::vector<std::size_t>{0});
  EXPECT_EQ(dispatch.orders_after_ask(2), Orders{"2: no more work"});
}

TEST(Dispatch, AStateLostBeforeTheFetchIsNoFailureOfTheClip) {
  TextDispatch dispatch({job()}, {high, low, high}, {.retries = 0});
  dispatch.orders_after_ask(0);
  dispatch.handed_over(0, 0, {});
  dispatch.orders_after_ask(1);
  dispatch.lost(0);
  EXPECT_TRUE(dispatch.failed(1, 0, Error::transient));
  EXPECT_EQ(dispatch.orders_after_ask(2), Orders{"2: clip 0 text-high"});
}

TEST(Dispatch, WhenAPoolIsLostAnotherGroupTakesItsRole) {
  TextDispatch dispatch({job(), job()}, {high, low});
  dispatch.orders_after_ask(0);
  dispatch.lost(0);
  EXPECT_EQ(dispatch.orders_after_ask(1), Orders{"1: change to high"});
}

TEST(Dispatch, AGroupThatKeepsItsRoleDoesNotTakeTheOther) {
  TextDispatch dispatch({job(), job()}, {high, low, high}, {.change_seconds = 0, .keep_their_role = {0}});
  dispatch.lost(1);
  dispatch.ask(0);
  EXPECT_EQ(dispatch.orders_after_ask(2), (Orders{"0: clip 0 text-high", "2: clip 1 text-high"}));
  dispatch.handed_over(0, 0, {});
  EXPECT_EQ(dispatch.orders_after_ask(0), Orders{}) << "low-noise work waits, for another group";
  dispatch.handed_over(2, 1, {});
  EXPECT_EQ(dispatch.orders_after_ask(2), Orders{"2: change to low"});
}

TEST(Dispatch, WhereNoGroupMayTakeTheRoleOfTheLostTheRunIsOverWithWorkLeft) {
  TextDispatch dispatch({job(), job(), job()}, {high, low},
                        {.stashed_per_group = 1, .change_seconds = 0, .keep_their_role = {0, 1}});
  dispatch.lost(1);
  EXPECT_FALSE(dispatch.over());
  EXPECT_EQ(dispatch.orders_after_ask(0), Orders{"0: clip 0 text-high"});
  dispatch.handed_over(0, 0, {});
  EXPECT_EQ(dispatch.orders_after_ask(0), Orders{"0: no more work"}) << "it may keep one clip for others";
  EXPECT_TRUE(dispatch.over());
}

TEST(Dispatch, WithoutGroupsTheRunIsOverWithWorkLeft) {
  TextDispatch dispatch({job()}, {resident});
  EXPECT_FALSE(dispatch.over());
  EXPECT_TRUE(dispatch.lost(0).empty()) << "the clip is not given up";
  EXPECT_TRUE(dispatch.over());
}

TEST(Dispatch, AStoppedRunIsOverWhenAllGroupsHaveReported) {
  TextDispatch dispatch({job(), job(), job()}, {resident, resident});
  dispatch.orders_after_ask(0);
  dispatch.orders_after_ask(1);
  dispatch.stop();
  dispatch.interrupted(0, 0, Stage::low);
  EXPECT_EQ(dispatch.orders_after_ask(0), Orders{"0: no more work"});
  EXPECT_FALSE(dispatch.over());
  dispatch.done(1, 1, {});
  EXPECT_EQ(dispatch.orders_after_ask(1), Orders{"1: no more work"});
  EXPECT_TRUE(dispatch.over());
}

TEST(Dispatch, AStoredClipContinuesInItsStage) {
  TextDispatch dispatch({job(), job(), job()}, {high, low});
  dispatch.finished_before(0);
  dispatch.stored_before(1, Stage::low);
  EXPECT_EQ(dispatch.orders_after_ask(1), Orders{"1: clip 1 low-write"}) << "from its stored state";
  dispatch.interrupted(1, 1, Stage::low);
  EXPECT_EQ(dispatch.orders_after_ask(1), Orders{"1: clip 1 low-write"});
  dispatch.fetched(1, 1);
  EXPECT_TRUE(dispatch.failed(1, 1, Error::resource));
  EXPECT_EQ(dispatch.orders_after_ask(1), Orders{"1: clip 1 low-write"}) << "the stored state is still there";
  EXPECT_EQ(dispatch.orders_after_ask(0), Orders{"0: clip 2 text-high"});
}

TEST(Dispatch, AClipThatFailsTwiceFromItsStoredStateStartsAnew) {
  TextDispatch dispatch({job()}, {high, low}, {.change_seconds = 1e9});
  dispatch.stored_before(0, Stage::low);
  for (int attempt = 0; attempt < 2; ++attempt) {
    EXPECT_EQ(dispatch.orders_after_ask(1), Orders{"1: clip 0 low-write"});
    EXPECT_TRUE(dispatch.failed(1, 0, Error::transient));
  }
  EXPECT_EQ(dispatch.orders_after_ask(0), Orders{"0: clip 0 text-high"}) << "the state may be what is wrong";
}

TEST(Dispatch, AClipInterruptedAfterTheFetchContinuesFromItsStoredState) {
  TextDispatch dispatch({job()}, {high, low}, {.retries = 1, .change_seconds = 1e9});
  dispatch.orders_after_ask(0);
  dispatch.handed_over(0, 0, {});
  dispatch.orders_after_ask(1);
  dispatch.fetched(1, 0);
  dispatch.interrupted(1, 0, Stage::low);
  EXPECT_EQ(dispatch.orders_after_ask(1), Orders{"1: clip 0 low-write"});
  EXPECT_TRUE(dispatch.failed(1, 0, Error::transient));
  EXPECT_EQ(dispatch.orders_after_ask(1), Orders{"1: clip 0 low-write"}) << "not from the start";
}

TEST(Dispatch, AClipForOneExpertIsOneLeg) {
  TextDispatch dispatch({job()}, {high, low}, {.change_seconds = 1e9},
                        [](const Job& job, Stage stage) { return without(Stage::high, job, stage); });
  EXPECT_EQ(dispatch.orders_after_ask(0), Orders{});
  EXPECT_EQ(dispatch.orders_after_ask(1), Orders{"1: clip 0 text-write"});
}

/// Whether the call is refused as a breach of the protocol.
template <class Call>
bool is_refused(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.kind() == Error::internal;
  }
  return false;
}

TEST(DispatchProtocol, ReportsOfAClipThatTheGroupWasNotGivenAreRefused) {
  TextDispatch dispatch({job(), job()}, {resident, resident});
  dispatch.orders_after_ask(0);
  for (const auto& [group, clip] : {std::pair(1, 0u), {0, 1u}, {1, 1u}, {-1, 1u}, {2, 0u}, {0, 2u}}) {
    EXPECT_TRUE(is_refused([&] { dispatch.done(group, clip, {}); })) << group << " " << clip;
    EXPECT_TRUE(is_refused([&] { dispatch.handed_over(group, clip, {}); })) << group << " " << clip;
    EXPECT_TRUE(is_refused([&] { dispatch.fetched(group, clip); })) << group << " " << clip;
    EXPECT_TRUE(is_refused([&] { dispatch.failed(group, clip, Error::transient); })) << group << " " << clip;
    EXPECT_TRUE(is_refused([&] { dispatch.interrupted(group, clip, Stage::high); })) << group << " " << clip;
  }
  dispatch.done(0, 0, {});
  EXPECT_EQ(dispatch.orders_after_ask(1), Orders{"1: clip 1 text-write"}) << "the schedule is as it was";
}

TEST(DispatchProtocol, ASecondReportOfOneClipIsRefused) {
  TextDispatch dispatch({job(), job()}, {high, low});
  dispatch.orders_after_ask(0);
  dispatch.handed_over(0, 0, {});
  EXPECT_TRUE(is_refused([&] { dispatch.handed_over(0, 0, {}); }));
  EXPECT_EQ(dispatch.orders_after_ask(1), Orders{"1: clip 0 low-write from 0"});
  dispatch.fetched(1, 0);
  dispatch.done(1, 0, {});
  EXPECT_TRUE(is_refused([&] { dispatch.done(1, 0, {}); }));
  EXPECT_TRUE(is_refused([&] { dispatch.failed(1, 0, Error::transient); }));
}

TEST(DispatchProtocol, OnlyTheGroupThatWasGivenAClipMayFetchIt) {
  TextDispatch dispatch({job(), job()}, {high, low, low}, {.stashed_per_group = 1, .change_seconds = 1e9});
  dispatch.orders_after_ask(0);
  dispatch.handed_over(0, 0, {});
  EXPECT_TRUE(is_refused([&] { dispatch.fetched(1, 0); })) << "before it was given to a group";
  dispatch.orders_after_ask(1);
  EXPECT_TRUE(is_refused([&] { dispatch.fetched(2, 0); }));
  EXPECT_EQ(dispatch.orders_after_ask(0), Orders{}) << "the slot is still taken";
  dispatch.fetched(1, 0);
  EXPECT_EQ(dispatch.new_orders(), Orders{"0: clip 1 text-high"});
}

TEST(DispatchProtocol, ALegThatHandsOverCannotEndAClipNorTheLastLegHandItOver) {
  TextDispatch dispatch({job()}, {high, low});
  dispatch.orders_after_ask(0);
  EXPECT_TRUE(is_refused([&] { dispatch.done(0, 0, {}); })) << "its state is for another group";
  dispatch.handed_over(0, 0, {});
  dispatch.orders_after_ask(1);
  EXPECT_TRUE(is_refused([&] { dispatch.done(1, 0, {}); })) << "before the fetch";
  dispatch.fetched(1, 0);
  EXPECT_TRUE(is_refused([&] { dispatch.handed_over(1, 0, {}); }));
  dispatch.done(1, 0, {});
  EXPECT_TRUE(dispatch.over());
}

TEST(DispatchProtocol, AClipThatAGroupHasBegunIsNotLeftFromAnEarlierRun) {
  TextDispatch dispatch({job()}, {resident});
  dispatch.orders_after_ask(0);
  EXPECT_TRUE(is_refused([&] { dispatch.finished_before(0); }));
  EXPECT_TRUE(is_refused([&] { dispatch.stored_before(0, Stage::low); }));
}

TEST(DispatchProtocol, ALostGroupMayNotReport) {
  TextDispatch dispatch({job()}, {resident, resident});
  dispatch.orders_after_ask(0);
  dispatch.lost(0);
  EXPECT_TRUE(is_refused([&] { dispatch.ask(0); }));
  EXPECT_TRUE(is_refused([&] { dispatch.done(0, 0, {}); }));
}

}  // namespace
}  // namespace wf
