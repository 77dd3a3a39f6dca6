// tests/launcher/run/run_journal_test.cpp: what rank 0 records, and what the next start of a run learns from it.
#include "launcher/run/run_journal.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "launcher/run/earlier_starts.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

Event began(const std::string& id) { return {.kind = Event::began, .text = id}; }
Event about(Event::Kind kind, const std::string& clip, int rank = -1) {
  return {.kind = kind, .fingerprint = clip, .rank = rank};
}
Event lost(int rank) { return {.kind = Event::lost, .rank = rank}; }

TEST(EarlierStarts, AClipAtWorkOnALostRankHasALoss) {
  const auto starts = earlier_starts({began("a"),
                                      about(Event::assigned, "kite", 1),
                                      about(Event::assigned, "lake", 2),
                                      about(Event::done, "lake", 2),
                                      lost(1),
                                      {.kind = Event::ended}},
                                     "a");
  EXPECT_EQ(starts.losses, (std::map<std::string, double>{{"kite", 1}}));
  EXPECT_TRUE(starts.unfit_ranks.empty()) << "one clip is not two";
}

TEST(EarlierStarts, WhenAllIsLostTheClipsAtWorkShareTheBlame) {
  const std::vector<Event> start{began("a"), about(Event::assigned, "kite", 0), about(Event::assigned, "lake", 1)};
  std::vector<Event> events = start;
  events.insert(events.end(), start.begin(), start.end());
  const auto starts = earlier_starts(events, "a");
  EXPECT_EQ(starts.losses, (std::map<std::string, double>{{"kite", 1}, {"lake", 1}})) << "two halves each";
}

TEST(EarlierStarts, ARankThatWasLostWithTwoClipsIsUnfit) {
  const auto starts = earlier_starts({began("a"),
                                      about(Event::assigned, "kite", 1),
                                      lost(1),
                                      {.kind = Event::ended},
                                      began("a"),
                                      about(Event::assigned, "lake", 1),
                                      lost(1)},
                                     "a");
  EXPECT_EQ(starts.unfit_ranks, std::set<int>{1});
  const auto twice_the_same = earlier_starts(
      {began("a"), about(Event::assigned, "kite", 1), lost(1), began("a"), about(Event::assigned, "kite", 1), lost(1)},
      "a");
  EXPECT_TRUE(twice_the_same.unfit_ranks.empty()) << "the clip may be the cause";
}

TEST(EarlierStarts, LossesOfAnotherCommandDoNotCount) {
  const std::vector<Event> events{began("a"), about(Event::assigned, "kite", 1), lost(1)};
  for (const char* const id : {"b", ""}) EXPECT_TRUE(earlier_starts(events, id).losses.empty()) << id;
}

TEST(EarlierStarts, WhatAUserCancelledStaysCancelledUntilItIsRetriedOrDone) {
  const auto starts =
      earlier_starts({began("a"), about(Event::cancelled, "kite"), about(Event::cancelled, "lake"),
                      about(Event::cancelled, "moon"), about(Event::retried, "lake"), about(Event::done, "moon")},
                     "b");
  EXPECT_EQ(starts.cancelled, std::set<std::string>{"kite"});
}

TEST(EarlierStarts, APauseLastsUntilItIsResumedHoweverOftenTheCommandIsStarted) {
  std::vector<Event> events{began("a"), {.kind = Event::paused}, began("a")};
  EXPECT_TRUE(earlier_starts(events, "a").paused);
  EXPECT_FALSE(earlier_starts(events, "b").paused) << "it was meant for another command";
  events.push_back({.kind = Event::resumed});
  EXPECT_FALSE(earlier_starts(events, "a").paused);
}

TEST(EarlierStarts, ACommandThatWasToldToStopStaysSo) {
  const std::vector<Event> events{began("a"), {.kind = Event::draining, .text = "a user asks for it"}, began("a")};
  EXPECT_EQ(earlier_starts(events, "a").draining, "a user asks for it");
  EXPECT_EQ(earlier_starts(events, "b").draining, "");
}

TEST(EarlierStarts, WhatTheCommandItselfHasRenderedIsToldApart) {
  const std::vector<Event> events{began("a"), about(Event::done, "kite"), began("b"), about(Event::done, "lake"),
                                  about(Event::found, "kite")};
  const EarlierStarts starts = earlier_starts(events, "b");
  EXPECT_TRUE(starts.is_restart);
  EXPECT_EQ(starts.done, std::set<std::string>{"lake"});
  EXPECT_EQ(starts.finished, (std::set<std::string>{"kite", "lake"}));
  for (const char* const id : {"c", ""}) {
    EXPECT_FALSE(earlier_starts(events, id).is_restart) << id;
    EXPECT_TRUE(earlier_starts(events, id).done.empty()) << id;
  }
}

Event attempt(Event::Kind kind, const std::string& fingerprint, int number, int rank) {
  Event event = about(kind, fingerprint);
  event.attempt = number;
  event.rank = rank;
  return event;
}

TEST(EarlierStarts, TellInWhichAttemptAClipWasFinished) {
  const auto starts = earlier_starts(
      {began("a"), attempt(Event::assigned, "kite", 1, 3), attempt(Event::assigned, "kite", 2, 0),
       attempt(Event::done, "kite", 2, 0), began("b"), about(Event::found, "kite"), about(Event::found, "lake"),
       attempt(Event::assigned, "moon", 1, 1), attempt(Event::assigned, "kite", 1, 5)},
      "c");
  EXPECT_EQ(starts.attempts.at("kite"), (LastAttempt{2, 0})) << "the later attempt has not finished it";
  EXPECT_FALSE(starts.attempts.contains("lake")) << "nothing is known of it";
  EXPECT_EQ(starts.attempts.at("moon"), (LastAttempt{1, 1})) << "it may have been finished without a word";
}

struct Quiet final : RunObserver {
  void done(std::size_t, const std::string&) override { ++calls; }
  void failed(std::size_t, const Error&, bool) override { ++calls; }
  void quarantined(std::size_t, const Error&) override { ++calls; }
  void lost(int, const std::string&, const std::string&) override { ++calls; }
  void at_work(const std::vector<Activity>&) override { ++calls; }
  int calls = 0;
};

Standing in_seven_seconds() {
  Standing standing;
  standing.eta_seconds = 7;
  return standing;
}

struct Recorded {
  Recorded() : jobs(2) {
    jobs[0].name = "kite";
    jobs[1].name = "lake";
  }
  std::vector<Event> events() const { return read_journal(folder.path()).events; }
  test::TempFolder folder;
  std::vector<Job> jobs;
  std::vector<std::string> fingerprints{"f0", "f1"};
  Quiet next;
  RunJournal journal{{.output = folder.path(),
                      .jobs = jobs,
                      .fingerprints = fingerprints,
                      .command_id = "a",
                      .ranks = 2,
                      .standing = [](const auto&) { return in_seven_seconds(); }},
                     next};
};

TEST(RunJournal, RecordsWhatTheGroupsAreGivenAndWhatBecomesOfIt) {
  Recorded run;
  run.journal.assigned(0, 1, Stage::text, Stage::write);
  run.journal.failed(0, Error(Error::resource, "no memory"), true);
  run.journal.assigned(0, 0, Stage::text, Stage::write);
  run.journal.failed(0, Error(Error::resource, "no memory"), false);
  run.journal.ended(1, "the end");
  const std::vector<Event> events = run.events();
  ASSERT_EQ(events.size(), 6u);
  EXPECT_EQ(events[1].clip, "kite");
  EXPECT_EQ(events[1].stage, "text-write");
  EXPECT_EQ(events[2].rank, 1);
  EXPECT_TRUE(events[2].again);
  EXPECT_EQ(events[3].attempt, 2);
  EXPECT_EQ(events[4].error, "resource");
  EXPECT_EQ(events[5].code, 1);
  EXPECT_EQ(run.next.calls, 2) << "each failure is passed on";
}

TEST(RunJournal, TheStatusSaysWhatEachRankDoesAndWhenItWillEnd) {
  Recorded run;
  run.journal.at_work({{"kite", Stage::high, 3, 40}, {}});
  const auto status = read_live_status(run.folder.path());
  ASSERT_TRUE(status);
  EXPECT_EQ(status->state, "running");
  EXPECT_EQ(status->ranks.at(0).clip, "kite");
  EXPECT_EQ(status->ranks.at(0).step, 3);
  EXPECT_EQ(status->ranks.at(1).clip, "");
  EXPECT_EQ(status->eta_seconds, 7);
  EXPECT_EQ(run.events().back().kind, Event::at_stage);
}

TEST(RunJournal, AFullDiskIsToldAtAPlaceWhereTheRunCanStop) {
  Recorded run;
  inject_file_faults([](FileStep step, const Path& path) {
    return step == FileStep::write && path.string().ends_with("journal.jsonl") ? ENOSPC : 0;
  });
  EXPECT_NO_THROW(run.journal.assigned(0, 1, Stage::text, Stage::write));
  EXPECT_THROW(run.journal.at_work({{}, {}}), Error);
  inject_file_faults({});
  EXPECT_NO_THROW(run.journal.at_work({{}, {}})) << "it is told once";
}

}  // namespace
}  // namespace wf
