// tests/launcher/dispatch_test.cpp: each rule of the dispatcher by itself, with a few groups.
#include "launcher/dispatch.hpp"

#include <gtest/gtest.h>

#include <string>

namespace wf {
namespace {

constexpr Role high = Role::high, low = Role::low, resident = Role::resident;

Job job(int width = 64, int priority = 0) {
  Job job;
  job.width = width;
  job.priority = priority;
  return job;
}

/// 26 s and 14 s for a width of 64.
double seconds(const Job& job, Stage stage) {
  if (stage == Stage::high) return 26 * job.width / 64.0;
  return stage == Stage::low ? 14 * job.width / 64.0 : 0.1;
}
double without(Stage never, const Job& job, Stage stage) { return stage == never ? 0 : seconds(job, stage); }

std::string words(const Order& order) {
  const std::string to = std::to_string(order.group) + ": ";
  if (const auto* work = std::get_if<Assignment>(&order.what))
    return to + "clip " + std::to_string(work->clip) + " " + std::string(to_string(work->first)) + "-" +
           std::string(to_string(work->last)) + (work->holder < 0 ? "" : " from " + std::to_string(work->holder));
  if (const auto* change = std::get_if<ChangeRole>(&order.what))
    return to + (change->role == high ? "be high" : "be low");
  if (const auto* release = std::get_if<Release>(&order.what)) return to + "release " + std::to_string(release->clip);
  return to + "nothing more";
}

using Words = std::vector<std::string>;

/// A dispatcher whose groups never change their role unless there is nobody in the other one.
struct Desk : Dispatch {
  Desk(const std::vector<Job>& jobs, const std::vector<Role>& groups, DispatchOptions options = {.change_seconds = 1e9},
       const Predicted& predicted = seconds)
      : Dispatch(jobs, groups, predicted, options) {}
  Words said(double now = 0) {
    Words all;
    for (const Order& order : orders(now)) all.push_back(words(order));
    return all;
  }
  Words answer(int group, double now = 0) { return ask(group), said(now); }
};

TEST(Dispatch, AResidentGroupTakesAClipFromTextToWrite) {
  Desk desk({job(), job()}, {resident});
  EXPECT_EQ(desk.answer(0), Words{"0: clip 0 text-write"});
  desk.done(0, 0, {});
  EXPECT_EQ(desk.answer(0), Words{"0: clip 1 text-write"});
  EXPECT_EQ(desk.queue().count(Queue::State::done), 1u);
}

TEST(Dispatch, AQuestionIsKeptUntilAClipIsHandedOver) {
  Desk desk({job()}, {high, low});
  EXPECT_EQ(desk.answer(1), Words{});
  EXPECT_EQ(desk.answer(0), Words{"0: clip 0 text-high"});
  desk.handed_over(0, 0, {});
  EXPECT_EQ(desk.said(), Words{"1: clip 0 low-write from 0"});
}

TEST(Dispatch, AGroupMayAskWhileItsLastClipIsBeingWritten) {
  Desk desk({job(), job()}, {resident});
  desk.answer(0);
  EXPECT_EQ(desk.answer(0), Words{"0: clip 1 text-write"});
  desk.done(0, 0, {});
  desk.done(0, 1, {});
  EXPECT_TRUE(desk.over());
}

TEST(Dispatch, TheStageNearestTheEndComesFirstButPriorityBeforeIt) {
  Desk desk({job(64, 1), job(), job(), job()}, {low, high}, {.light = {.text = low, .decode = high}});
  desk.stored_before(1, Stage::decode);
  desk.stored_before(2, Stage::high);
  desk.stored_before(0, Stage::high);
  EXPECT_EQ(desk.answer(1), Words{"1: clip 0 high-high"});
  EXPECT_EQ(desk.answer(1), Words{"1: clip 1 decode-write"});
  EXPECT_EQ(desk.answer(1), Words{"1: clip 2 high-high"});
}

TEST(Dispatch, TheLongestShapeComesFirstAndEqualClipsInTheOrderOfTheList) {
  Desk desk({job(64), job(128), job(64), job(128)}, {resident});
  Words order;
  for (int i = 0; i < 4; ++i) order.push_back(desk.answer(0).at(0));
  EXPECT_EQ(order,
            (Words{"0: clip 1 text-write", "0: clip 3 text-write", "0: clip 0 text-write", "0: clip 2 text-write"}));
}

TEST(Dispatch, TextAndDecodeAreDoneWhereTheyShallBe) {
  Desk desk({job()}, {high, low}, {.light = {.text = low, .decode = high}});
  EXPECT_EQ(desk.answer(1), Words{"1: clip 0 text-text"});
  desk.handed_over(1, 0, {});
  EXPECT_EQ(desk.answer(0), Words{"0: clip 0 high-high from 1"});
  desk.pulled(0, 0);
  desk.handed_over(0, 0, {});
  EXPECT_EQ(desk.answer(1), Words{"1: clip 0 low-low from 0"});
  desk.pulled(1, 0);
  desk.handed_over(1, 0, {});
  EXPECT_EQ(desk.answer(0), Words{"0: clip 0 decode-write from 1"});
}

TEST(Dispatch, AGroupWithItsShareParkedWaitsUntilOneIsPulled) {
  Desk desk({job(), job(), job()}, {high, low}, {.parked_per_group = 1, .change_seconds = 1e9});
  desk.answer(0);
  desk.handed_over(0, 0, {});
  EXPECT_EQ(desk.answer(0), Words{}) << "one is parked";
  EXPECT_EQ(desk.answer(1), Words{"1: clip 0 low-write from 0"});
  desk.pulled(1, 0);
  EXPECT_EQ(desk.said(), Words{"0: clip 1 text-high"});
}

TEST(Dispatch, AClipThatIsBeingParkedTakesItsRoom) {
  Desk desk({job(), job()}, {high, low}, {.parked_per_group = 1, .change_seconds = 1e9});
  desk.answer(0);
  EXPECT_EQ(desk.answer(0), Words{}) << "the group asks before it has handed over";
  desk.handed_over(0, 0, {});
  EXPECT_EQ(desk.said(), Words{});
  desk.answer(1);
  desk.pulled(1, 0);
  EXPECT_EQ(desk.said(), Words{"0: clip 1 text-high"});
}

TEST(Dispatch, APeekTellsTheNextAssignment) {
  Desk desk({job(), job(), job()}, {high, low, low});
  EXPECT_FALSE(desk.peek(1)) << "nothing waits for the low-noise expert";
  for (const std::size_t clip : {0u, 1u}) {
    EXPECT_EQ(desk.peek(0)->clip, clip);
    EXPECT_EQ(desk.peek(0)->holder, -1);
    desk.answer(0);
    desk.handed_over(0, clip, {});
  }
  EXPECT_EQ(words({1, *desk.peek(1)}), "1: clip 0 low-write from 0");
  EXPECT_EQ(words({2, *desk.peek(2, {0})}), "2: clip 1 low-write from 0");
  EXPECT_FALSE(desk.peek(2, {0, 1}));
  EXPECT_EQ(desk.answer(1), Words{"1: clip 0 low-write from 0"}) << "as if nobody had looked";
  EXPECT_EQ(desk.peek(2)->clip, 1u);
  desk.stop();
  EXPECT_FALSE(desk.peek(2));
}

TEST(Dispatch, AllGroupsTogetherParkNoMoreThanTheTotal) {
  Desk desk({job(), job(), job()}, {high, high, low}, {.parked_in_total = 1, .change_seconds = 1e9});
  EXPECT_EQ(desk.answer(0), Words{"0: clip 0 text-high"});
  EXPECT_EQ(desk.answer(1), Words{}) << "the room is promised";
  desk.handed_over(0, 0, {});
  desk.answer(2);
  desk.pulled(2, 0);
  EXPECT_EQ(desk.said(), Words{"1: clip 1 text-high"});
}

TEST(Dispatch, OneGroupTakesSeveralClipsThroughEachExpert) {
  Desk desk({job(), job(), job()}, {high}, {.parked_per_group = 2});
  for (const std::size_t clip : {0u, 1u}) {
    EXPECT_EQ(desk.answer(0), Words{"0: clip " + std::to_string(clip) + " text-high"});
    desk.handed_over(0, clip, {});
  }
  EXPECT_EQ(desk.answer(0), Words{"0: be low"});
  for (const std::size_t clip : {0u, 1u}) {
    EXPECT_EQ(desk.answer(0), Words{"0: clip " + std::to_string(clip) + " low-write from 0"});
    desk.pulled(0, clip);
    desk.done(0, clip, {});
  }
  EXPECT_EQ(desk.answer(0), Words{"0: be high"});
}

TEST(Dispatch, AnIdleGroupChangesItsRoleWhereThatPays) {
  const std::vector<Job> jobs(100, job());
  const auto all_high = [](const Job& job, Stage stage) { return without(Stage::low, job, stage); };
  Desk pays(jobs, {high, low}, {.change_seconds = 60}, all_high);
  EXPECT_EQ(pays.answer(1), Words{"1: be high"});
  Desk costs_more(jobs, {high, low}, {.change_seconds = 10'000}, all_high);
  EXPECT_EQ(costs_more.answer(1), Words{});
  Desk little_left(std::vector<Job>(10, job()), {high, high, high, low}, {.change_seconds = 60}, all_high);
  EXPECT_EQ(little_left.answer(3), Words{}) << "87 s become 80 s, for 60 s of loading";
  Desk balanced(jobs, {high, high, low}, {.change_seconds = 60});
  EXPECT_EQ(balanced.answer(2), Words{}) << "26:14 is what two and one are for";
}

TEST(Dispatch, ARoleIsKeptForSomeTime) {
  Desk desk(std::vector<Job>(100, job()), {high, low, low},
            {.parked_per_group = 1, .change_seconds = 1, .least_seconds_in_role = 600});
  EXPECT_EQ(desk.answer(1, 100), Words{"1: be high"});
  EXPECT_EQ(desk.answer(1, 101), Words{"1: clip 0 text-high"});
  desk.handed_over(1, 0, {});
  EXPECT_EQ(desk.answer(2, 150), Words{"2: clip 0 low-write from 1"});
  desk.pulled(2, 0);
  desk.done(2, 0, {0, 0, 1000, 0, 0});  // as it turns out, the low expert is what takes long
  EXPECT_EQ(desk.answer(1, 200), Words{"1: clip 1 text-high"});
  desk.handed_over(1, 1, {});
  EXPECT_EQ(desk.answer(1, 699), Words{}) << "its share is parked, and it must not change yet";
  EXPECT_EQ(desk.said(700), Words{"1: be low"});
}

TEST(Dispatch, MeasuredSecondsCorrectThePredictions) {
  Desk desk(std::vector<Job>(100, job()), {high, high, low, low}, {.change_seconds = 60});
  desk.answer(0);
  EXPECT_EQ(desk.answer(3), Words{}) << "as predicted, two and two is best";
  desk.handed_over(0, 0, {0.1, 2600, 0, 0, 0});
  EXPECT_EQ(desk.said(), Words{"3: clip 0 low-write from 0"});
  EXPECT_EQ(desk.answer(2), Words{"2: be high"});
}

TEST(Dispatch, AFailedClipStartsAgainAfterAllOthersAndIsGivenUpInTheEnd) {
  Desk desk({job(), job()}, {resident}, {.retries = 1});
  desk.answer(0);
  EXPECT_TRUE(desk.failed(0, 0, Error::transient));
  EXPECT_EQ(desk.answer(0), Words{"0: clip 1 text-write"});
  EXPECT_EQ(desk.answer(0), Words{"0: clip 0 text-write"});
  EXPECT_FALSE(desk.failed(0, 0, Error::transient));
  EXPECT_FALSE(desk.failed(0, 1, Error::permanent)) << "would fail every time";
  EXPECT_EQ(desk.answer(0), Words{"0: nothing more"});
}

TEST(Dispatch, AClipThatFailsBeforeItIsPulledKeepsItsState) {
  Desk desk({job()}, {high, low}, {.retries = 1});
  desk.answer(0);
  desk.handed_over(0, 0, {});
  desk.answer(1);
  EXPECT_TRUE(desk.failed(1, 0, Error::transient));
  EXPECT_EQ(desk.answer(1), Words{"1: clip 0 low-write from 0"});
  EXPECT_FALSE(desk.failed(1, 0, Error::transient));
  EXPECT_EQ(desk.said(), Words{"0: release 0"});
  EXPECT_EQ(desk.parked(Stage::high), 0);
}

TEST(Dispatch, ALostGroupsClipsStartAgainElsewhereAndTheOthersGoOn) {
  Desk desk({job(), job(), job()}, {high, high, low});
  desk.answer(0);
  desk.answer(1);
  desk.handed_over(0, 0, {});  // parked at 0
  desk.answer(0);              // and at work on 2
  EXPECT_TRUE(desk.lost(0).empty());
  EXPECT_EQ(desk.parked(Stage::high), 1) << "the room of clip 1";
  desk.handed_over(1, 1, {});
  EXPECT_EQ(desk.answer(2), Words{"2: clip 1 low-write from 1"});
  EXPECT_EQ(desk.answer(1), Words{"1: clip 0 text-high"}) << "in its old turn";
  EXPECT_EQ(desk.answer(1), Words{"1: clip 2 text-high"}) << "it may be what killed the group";
}

TEST(Dispatch, AClipThatKillsEveryGroupIsGivenUp) {
  Desk desk({job()}, {resident, resident, resident}, {.retries = 1});
  desk.answer(0);
  EXPECT_TRUE(desk.lost(0).empty());
  desk.answer(1);
  EXPECT_EQ(desk.lost(1), std::vector<std::size_t>{0});
  EXPECT_EQ(desk.answer(2), Words{"2: nothing more"});
}

TEST(Dispatch, AStateLostBeforeThePullIsNotTheClipsFault) {
  Desk desk({job()}, {high, low, high}, {.retries = 0});
  desk.answer(0);
  desk.handed_over(0, 0, {});
  desk.answer(1);
  desk.lost(0);
  EXPECT_TRUE(desk.failed(1, 0, Error::transient));
  EXPECT_EQ(desk.answer(2), Words{"2: clip 0 text-high"});
}

TEST(Dispatch, WhenAPoolDiesOutAnotherGroupTakesItsRole) {
  Desk desk({job(), job()}, {high, low});
  desk.answer(0);
  desk.lost(0);
  EXPECT_EQ(desk.answer(1), Words{"1: be high"});
}

TEST(Dispatch, WithoutGroupsItIsOverWithWorkLeft) {
  Desk desk({job()}, {resident});
  EXPECT_FALSE(desk.over());
  desk.lost(0);
  EXPECT_TRUE(desk.over());
  EXPECT_EQ(desk.queue().count(Queue::State::waiting), 1u);
}

TEST(Dispatch, ADrainEndsWhenAllHaveReported) {
  Desk desk({job(), job(), job()}, {resident, resident});
  desk.answer(0);
  desk.answer(1);
  desk.stop();
  desk.interrupted(0, 0, Stage::low);
  EXPECT_EQ(desk.answer(0), Words{"0: nothing more"});
  EXPECT_FALSE(desk.over());
  desk.done(1, 1, {});
  EXPECT_EQ(desk.answer(1), Words{"1: nothing more"});
  EXPECT_TRUE(desk.over());
  EXPECT_EQ(desk.queue().count(Queue::State::waiting), 2u);
}

TEST(Dispatch, WhatIsStoredGoesOnWhereItWas) {
  Desk desk({job(), job(), job()}, {high, low});
  desk.finished_before(0);
  desk.stored_before(1, Stage::low);
  EXPECT_EQ(desk.answer(1), Words{"1: clip 1 low-write"}) << "from its stored state";
  desk.interrupted(1, 1, Stage::low);
  EXPECT_EQ(desk.answer(1), Words{"1: clip 1 low-write"});
  desk.pulled(1, 1);
  EXPECT_TRUE(desk.failed(1, 1, Error::resource));
  EXPECT_EQ(desk.answer(1), Words{"1: clip 1 low-write"}) << "the stored state is still there";
  EXPECT_EQ(desk.answer(0), Words{"0: clip 2 text-high"});
}

TEST(Dispatch, AClipInterruptedAfterThePullGoesOnFromItsStoredState) {
  Desk desk({job()}, {high, low}, {.retries = 1, .change_seconds = 1e9});
  desk.answer(0);
  desk.handed_over(0, 0, {});
  desk.answer(1);
  desk.pulled(1, 0);
  desk.interrupted(1, 0, Stage::low);
  EXPECT_EQ(desk.answer(1), Words{"1: clip 0 low-write"});
  EXPECT_TRUE(desk.failed(1, 0, Error::transient));
  EXPECT_EQ(desk.answer(1), Words{"1: clip 0 low-write"}) << "and not from the start";
}

TEST(Dispatch, AClipForOneExpertIsHandedOverToNobody) {
  Desk desk({job()}, {high, low}, {.change_seconds = 1e9},
            [](const Job& job, Stage stage) { return without(Stage::high, job, stage); });
  EXPECT_EQ(desk.answer(0), Words{});
  EXPECT_EQ(desk.answer(1), Words{"1: clip 0 text-write"});
}

}  // namespace
}  // namespace wf
