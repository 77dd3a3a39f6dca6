// tests/launcher/farm_test.cpp: letters, groups, the watch, and a courier's duties within one process.
#include <gtest/gtest.h>

#include <thread>

#include "cluster/error.hpp"
#include "launcher/farm/groups.hpp"
#include "launcher/farm/loading.hpp"
#include "launcher/farm/run_start.hpp"
#include "tests/launcher/pair_mail.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;

template <class Kind>
Kind sent_and_read(const Kind& letter) {
  return std::get<Kind>(to_message(to_bytes(letter)));
}

TEST(Letters, ArriveAsTheyWereWritten) {
  const auto beat = sent_and_read(letter::Beat{{"clip \u00e4", Stage::low, 3, 40}, true});
  EXPECT_EQ(beat.activity, (Activity{"clip \u00e4", Stage::low, 3, 40}));
  EXPECT_TRUE(beat.stop);
  const auto done = sent_and_read(letter::Done{2, 100'000, {1, 2, 3, 4, 0.5}, "{\"a\": 1}"});
  EXPECT_EQ(done.group, 2);
  EXPECT_EQ(done.clip, 100'000u);
  EXPECT_EQ(done.seconds, (SecondsByStage{1, 2, 3, 4, 0.5}));
  EXPECT_EQ(done.sidecar, "{\"a\": 1}");
  EXPECT_EQ(sent_and_read(letter::Assign{7, Stage::low, Stage::write, 3}).holder, 3);
  EXPECT_EQ(sent_and_read(letter::Ahead{{7, Stage::low, 3}}).parked, (Parked{7, Stage::low, 3}));
  EXPECT_EQ(sent_and_read(letter::Piece{7, 16, 40, {0, 255, 10}}).bytes, (Bytes{0, 255, 10}));
  EXPECT_TRUE(sent_and_read(letter::Piece{7, 16, 40, {}}).bytes.empty());
  EXPECT_EQ(sent_and_read(letter::ChangeRole{Role::low, {3, -1}}).lenders, (std::vector{3, -1}));
  EXPECT_EQ(sent_and_read(letter::WantWeights{7, Role::low}).role, Role::low);
  EXPECT_EQ(sent_and_read(letter::Weights{7, {0, 255, 10}}).handles, (Bytes{0, 255, 10}));
  sent_and_read(letter::Begin{});
  sent_and_read(letter::Refused{});
}

TEST(Letters, OfAnotherProgramAreRefused) {
  const Bytes whole = to_bytes(letter::Ask{1});
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_THROW(to_message(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))), Error) << size;
  EXPECT_THROW(to_message({1, 0, 0, 0, 0x80}), Error) << "an object without members";
}

TEST(Words, OfAnActivity) {
  EXPECT_EQ(words(Activity{}), "waiting");
  EXPECT_EQ(words({"a", Stage::high, 3, 40}), "a high 3/40");
  EXPECT_EQ(words({"a", Stage::decode, 0, 1}), "a decode");
}

TEST(RunStart, ArrivesAsItWasDecided) {
  RunStart start;
  start.jobs.resize(2);
  start.jobs[1].prompt = "a \"kite\"\n";
  start.jobs[1].seed = 7;
  start.model = "/models/a", start.output = "/renders", start.model_id = "id", start.word = "word";
  start.plan.mode = PlacementMode::pipeline;
  start.plan.degrees = {2, 3, 1};
  start.plan.pools = {{"high", {Stage::high}, 5}, {"low", {Stage::text, Stage::low, Stage::decode}, 3}};
  start.plan.text = TextPlace::before;
  start.plan.guidance = GuidanceMode::batched;
  start.plan.expert_leaves = true;
  start.finished = {1};
  const RunStart read = run_start_from(to_json(start));
  EXPECT_EQ(read.jobs.size(), 2u);
  EXPECT_EQ(read.jobs[1].prompt, start.jobs[1].prompt);
  EXPECT_EQ(read.jobs[1].seed, start.jobs[1].seed);
  EXPECT_EQ(describe(read.plan), describe(start.plan));
  EXPECT_EQ(read.plan.pools[1].stages, start.plan.pools[1].stages);
  EXPECT_EQ(read.plan.text, TextPlace::before);
  EXPECT_EQ(read.plan.guidance, GuidanceMode::batched);
  EXPECT_TRUE(read.plan.expert_leaves);
  EXPECT_EQ(read.finished, start.finished);
  EXPECT_EQ(to_json(read), to_json(start));
  EXPECT_THROW(run_start_from("{}"), Error);
}

TEST(Groups, LieWithinAMachineHoweverRanksWereDealtOut) {
  const std::vector<std::vector<int>> in_a_row{{0, 1}, {2, 3}, {4, 5}, {6, 7}}, around{{0, 2}, {4, 6}, {1, 3}, {5, 7}};
  EXPECT_EQ(make_groups({"a", "a", "a", "a", "b", "b", "b", "b"}, 2).ranks, in_a_row);
  const Groups groups = make_groups({"a", "b", "a", "b", "a", "b", "a", "b"}, 2);
  EXPECT_EQ(groups.ranks, around);
  EXPECT_EQ(groups.leader(2), 1);
  EXPECT_EQ(groups.of(7), 3);
  EXPECT_EQ(groups.count(), 4);
}

TEST(Groups, HaveNeighboursInTheSamePlaceOnTheSameMachine) {
  const Groups groups = make_groups({"a", "a", "a", "a", "a", "b", "b", "b"}, 2);
  EXPECT_EQ(groups.neighbours(0, {1, 2, 3}), (std::vector{2, 3}));
  EXPECT_EQ(groups.neighbours(0, {2, 3}), (std::vector{4, -1})) << "group 2 lies on both machines";
  EXPECT_EQ(groups.neighbours(3, {0, 1}), (std::vector{-1, -1}));
  EXPECT_EQ(groups.neighbours(3, {}), (std::vector{-1, -1}));
}

PlacementPlan pools_of_two_and_two() {
  PlacementPlan plan;
  plan.mode = PlacementMode::pipeline;
  plan.pools = {{"high", {Stage::high}, 2}, {"low", {Stage::text, Stage::low, Stage::decode}, 2}};
  return plan;
}

TEST(PartsToShare, AreThoseThatSeveralRanksOfAMachineBeginWith) {
  const PlacementPlan plan = pools_of_two_and_two();
  const std::vector<std::string> one_machine(4, "a"), four{"a", "b", "c", "d"}, two{"a", "b", "a", "b"};
  const std::vector<SharedPart> low{{Part::text_encoder, {2, 3}}, {Part::vae, {2, 3}}, {Part::low_expert, {2, 3}}};
  EXPECT_EQ(parts_to_share(plan, make_groups(one_machine, 1), one_machine, 0),
            (std::vector<SharedPart>{{Part::high_expert, {0, 1}}}));
  EXPECT_EQ(parts_to_share(plan, make_groups(one_machine, 1), one_machine, 3), low);
  for (int rank = 0; rank < 4; ++rank)
    EXPECT_TRUE(parts_to_share(plan, make_groups(four, 1), four, rank).empty()) << "each machine reads for itself";
  EXPECT_EQ(parts_to_share(plan, make_groups(two, 1), two, 2), (std::vector<SharedPart>{{Part::high_expert, {0, 2}}}))
      << "groups are sorted by machine";
}

TEST(PartsToShare, TextsAndFramesAreTheLeaders) {
  PlacementPlan plan;
  plan.degrees.ulysses = 2;
  plan.pools = {{"all", {Stage::text, Stage::high, Stage::low, Stage::decode}, 2}};
  const std::vector<std::string> hosts(4, "a");
  const std::vector<SharedPart> experts{{Part::low_expert, {0, 1, 2, 3}}, {Part::high_expert, {0, 1, 2, 3}}};
  std::vector<SharedPart> all{{Part::text_encoder, {0, 2}}, {Part::vae, {0, 2}}};
  all.insert(all.end(), experts.begin(), experts.end());
  EXPECT_EQ(parts_to_share(plan, make_groups(hosts, 2), hosts, 1), experts);
  EXPECT_EQ(parts_to_share(plan, make_groups(hosts, 2), hosts, 2), all);
}

TEST(Watch, NamesWhoWasSilentForTooLong) {
  Watch watch(8);
  for (const int rank : {1, 2, 3}) watch.begin(rank, 0);
  for (double now = 0.1; now < 7.9; now += 0.1) {
    EXPECT_TRUE(watch.silent(now).empty());
    watch.heard(2, now);
  }
  watch.end(3);
  EXPECT_EQ(watch.silent(8.2), std::vector{1});
  watch.heard(1, 8.2);
  EXPECT_TRUE(watch.silent(8.3).empty());
}

TEST(Watch, ForgivesWhenItselfStoodStill) {
  Watch watch(8);
  watch.begin(1, 0);
  EXPECT_TRUE(watch.silent(1).empty());
  EXPECT_TRUE(watch.silent(60).empty()) << "nobody could have been heard while the machine was suspended";
  for (double now = 60.5; now < 67; now += 0.5) EXPECT_TRUE(watch.silent(now).empty());
  EXPECT_EQ(watch.silent(67.5), std::vector{1});
}

TEST(Watch, KnowsNobodyElse) {
  Watch watch(8);
  watch.heard(5, 1);
  EXPECT_TRUE(watch.silent(100).empty());
}

TEST(Courier, TellsRankZeroWhatTheOthersAreAt) {
  Pair pair;
  pair.couriers[1]->set_activity({"kite", Stage::low, 5, 9});
  EXPECT_TRUE(comes_true([&] { return pair.couriers[0]->activities()[1] == Activity{"kite", Stage::low, 5, 9}; }));
}

TEST(Courier, TellsNewsBeforeTheNextBeat) {
  Pair pair(/*silence=*/8, /*beat=*/1h);
  for (const std::int64_t step : {1, 2, 3}) {
    const Activity activity{"kite", Stage::high, step, 9};
    pair.couriers[1]->set_activity(activity);
    EXPECT_TRUE(comes_true([&] { return pair.couriers[0]->activities()[1] == activity; })) << step;
  }
}

TEST(Courier, AStopReachesAllRanks) {
  Pair pair;
  EXPECT_FALSE(pair.couriers[1]->stop_requested());
  pair.couriers[0]->stop_all();
  EXPECT_TRUE(comes_true([&] { return pair.couriers[1]->stop_requested(); }));
}

TEST(Courier, WhoFallsSilentEndsTheRunOfTheOther) {
  for (const int silent : {0, 1}) {
    Pair pair(/*silence=*/0.2);
    std::this_thread::sleep_for(400ms);
    EXPECT_EQ(pair.ended[0], -1) << "both beat";
    EXPECT_EQ(pair.ended[1], -1);
    pair.couriers[silent].reset();
    EXPECT_TRUE(comes_true([&] { return pair.ended[1 - silent] == 1; })) << "rank " << silent << " is gone";
  }
}

TEST(Courier, AfterAFarewellSilenceIsRight) {
  Pair pair(/*silence=*/0.2);
  pair.couriers[1]->say_farewell("trace");
  const auto report = pair.couriers[0]->next_report(5s);
  ASSERT_TRUE(report && std::holds_alternative<letter::Farewell>(report->message));
  pair.couriers[1].reset();
  std::this_thread::sleep_for(500ms);
  EXPECT_EQ(pair.ended[0], -1);
}

TEST(Courier, AnAbortEndsBothWithItsCode) {
  Pair pair;
  pair.couriers[1]->abort(3, "on purpose");
  EXPECT_TRUE(comes_true([&] { return pair.ended[0] == 3; }));
  EXPECT_EQ(pair.ended[1], 3);
}

}  // namespace
}  // namespace wf
