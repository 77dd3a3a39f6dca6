// tests/launcher/run/coordinator_test.cpp: what becomes of a run when a report contradicts the schedule. The order of
// reports and orders in a run that goes well is shown by worker_test.cpp and run_mpi_test.cpp.
#include "launcher/run/coordinator.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "tests/launcher/run/agent_pair.hpp"

namespace wf {
namespace {

struct NobodyObserves : RunObserver {
  void done(std::size_t, const std::string&) override {}
  void failed(std::size_t, const Error&, bool) override {}
  void quarantined(std::size_t, const Error&) override {}
  void lost(int, const std::string&, const std::string&) override {}
  void at_work(const std::vector<Activity>&) override {}
};

TEST(Coordinator, AReportThatContradictsTheScheduleEndsAllRanks) {
  AgentPair pair;
  const std::vector<Job> jobs(1);
  const Groups groups{{{0}, {1}}};
  Dispatch dispatch(jobs, {Role::high, Role::high}, [](const Job&, Stage) { return 1.0; }, {});
  NobodyObserves observer;
  pair.transports[1]->send(0, to_bytes(message::Done{.group = 1, .clip = 0, .seconds = {}, .sidecar = "{}"}));
  Coordinator(dispatch, groups, *pair.agents[0], observer).run();
  EXPECT_EQ(pair.ended[0], exit_code(Error::internal));
  EXPECT_TRUE(comes_true([&] { return pair.ended[1] == exit_code(Error::internal); })) << pair.ended[1];
}

/// What the only group that is left gets to do, once group 1 is silent.
TEST(Coordinator, WhenARankIsLostTheOthersTakeItsClips) {
  AgentPair pair(1);
  const std::vector<Job> jobs(2);
  const Groups groups{{{0}, {1}}};
  Dispatch dispatch(jobs, {Role::resident, Role::resident}, [](const Job&, Stage) { return 1.0; }, {});
  struct : NobodyObserves {
    void lost(int, const std::string& name, const std::string& why) override { said = name + " " + why; }
    std::string said;
  } observer;
  Coordinator coordinator(dispatch, groups, *pair.agents[0], observer);
  const std::jthread dispatching([&] { coordinator.run(); });
  const auto ask = [&](int rank) { pair.agents[static_cast<std::size_t>(rank)]->send(0, message::RequestWork{rank}); };
  ask(0);
  EXPECT_EQ(std::get<message::Assign>(pair.agents[0]->next()).clip, 0u);
  ask(1);
  EXPECT_EQ(std::get<message::Assign>(pair.agents[1]->next()).clip, 1u);
  pair.agents[1].reset();
  pair.agents[0]->send(0, message::Done{0, 0, {}, "{}"});
  ask(0);
  EXPECT_EQ(std::get<message::Assign>(pair.agents[0]->next()).clip, 1u) << "what rank 1 had";
  EXPECT_NE(observer.said.find("rank 1 (node two) has not been heard of for 1 s"), std::string::npos) << observer.said;
  EXPECT_TRUE(pair.agents[0]->has_lost_ranks());
  pair.agents[0]->send(0, message::Done{0, 1, {}, "{}"});
  ask(0);
  EXPECT_TRUE(std::holds_alternative<message::NoMoreWork>(pair.agents[0]->next()));
  EXPECT_EQ(pair.ended[0], -1);
}

TEST(Coordinator, ALossBeforeAllRanksHaveBegunEndsTheRun) {
  AgentPair pair(1);
  const std::vector<Job> jobs(2);
  const Groups groups{{{0}, {1}}};
  Dispatch dispatch(jobs, {Role::resident, Role::resident}, [](const Job&, Stage) { return 1.0; }, {});
  NobodyObserves observer;
  Coordinator coordinator(dispatch, groups, *pair.agents[0], observer);
  const std::jthread dispatching([&] { coordinator.run(); });
  pair.agents[0]->send(0, message::RequestWork{0});
  pair.agents[1].reset();
  EXPECT_TRUE(comes_true([&] { return pair.ended[0] == 1; })) << "rank 0 may wait for rank 1 while both load";
  coordinator.abandon();
}

/// A run of two ranks, whose groups are played by the test, with requests that users make.
struct Played {
  explicit Played(std::size_t clips)
      : jobs(clips), dispatching([this] {
          coordinator.run();
          is_over = true;
        }) {}
  ~Played() { coordinator.abandon(); }

  struct Seen final : NobodyObserves {
    void done(std::size_t clip, const std::string&) override { note("done", clip); }
    void failed(std::size_t clip, const Error&, bool) override { note("failed", clip); }
    void cancelled(std::size_t clip) override { note("cancelled", clip); }
    void not_cancelled(std::size_t clip) override { note("not cancelled", clip); }
    void retried(std::size_t clip, Ended) override { note("retried", clip); }
    void draining(const std::string& why) override { note("draining: " + why, 0); }
    void note(const std::string& what, std::size_t clip) {
      const std::lock_guard lock(mutex);
      events.push_back(what + " " + std::to_string(clip));
    }
    bool has(const std::string& event) {
      const std::lock_guard lock(mutex);
      return std::ranges::count(events, event) > 0;
    }
    std::mutex mutex;
    std::vector<std::string> events;
  };

  void ask(int rank) { pair.agents[static_cast<std::size_t>(rank)]->send(0, message::RequestWork{rank}); }
  Message next(int rank) { return pair.agents[static_cast<std::size_t>(rank)]->next(); }
  std::size_t assigned(int rank) { return std::get<message::Assign>(next(rank)).clip; }
  void request(ControlRequest::Action action, std::optional<std::size_t> clip = {}) {
    const std::lock_guard lock(mutex);
    waiting.push_back({action, clip});
  }
  std::vector<UserRequest> take(Taken taken) {
    const std::lock_guard lock(mutex);
    std::vector<UserRequest> requests;
    for (const UserRequest& request : std::exchange(waiting, {})) {
      const bool stays = taken == Taken::all_but_retries && request.action == ControlRequest::retry;
      (stays ? waiting : requests).push_back(request);
    }
    return requests;
  }
  bool is_cancelled(std::size_t clip) const { return pair.agents[1]->cancelled_clips().contains(clip); }

  AgentPair pair;
  std::vector<Job> jobs;
  Groups groups{{{0}, {1}}};
  Dispatch dispatch{jobs, {Role::resident, Role::resident}, [](const Job&, Stage) { return 1.0; }, {}};
  Seen seen;
  std::mutex mutex;
  std::vector<UserRequest> waiting;
  Coordinator coordinator{dispatch, groups, *pair.agents[0], seen, [this](Taken taken) { return take(taken); }};
  std::atomic<bool> is_over = false;
  std::jthread dispatching;
};

TEST(Coordinator, ACancelledClipThatWaitsIsNotRendered) {
  Played run(3);
  run.request(ControlRequest::cancel, 0);
  EXPECT_TRUE(comes_true([&] { return run.seen.has("cancelled 0"); }));
  run.ask(0);
  EXPECT_EQ(run.assigned(0), 1u);
}

TEST(Coordinator, ACancelledClipThatAGroupWorksOnIsStoppedThereAndThenGivenUp) {
  Played run(2);
  run.ask(1);
  EXPECT_EQ(run.assigned(1), 0u);
  run.request(ControlRequest::cancel, 0);
  EXPECT_TRUE(comes_true([&] { return run.is_cancelled(0); }));
  EXPECT_FALSE(run.seen.has("cancelled 0")) << "the group has not stopped yet";
  run.pair.agents[1]->send(0, message::Interrupted{1, 0, Stage::high});
  EXPECT_TRUE(comes_true([&] { return run.seen.has("cancelled 0"); }));
  run.ask(1);
  EXPECT_EQ(run.assigned(1), 1u);
}

TEST(Coordinator, ACancelledClipThatIsDoneFirstIsDone) {
  Played run(2);
  run.ask(1);
  EXPECT_EQ(run.assigned(1), 0u);
  run.request(ControlRequest::cancel, 0);
  EXPECT_TRUE(comes_true([&] { return run.is_cancelled(0); }));
  run.pair.agents[1]->send(0, message::Done{1, 0, {}, "{}"});
  run.ask(1);
  EXPECT_EQ(run.assigned(1), 1u);
  EXPECT_TRUE(run.seen.has("done 0"));
  EXPECT_TRUE(comes_true([&] { return run.seen.has("not cancelled 0"); })) << "which is said";
  EXPECT_FALSE(run.seen.has("cancelled 0"));
}

/// As while one of them is being written and the other one computed.
TEST(Coordinator, TwoClipsOfOneGroupCanBeCancelled) {
  Played run(2);
  for (const std::size_t clip : {0u, 1u}) {
    run.ask(1);
    EXPECT_EQ(run.assigned(1), clip);
  }
  run.request(ControlRequest::cancel, 1);
  run.request(ControlRequest::cancel, 0);
  EXPECT_TRUE(comes_true([&] { return run.is_cancelled(0); }));
  EXPECT_TRUE(run.is_cancelled(1)) << "the second request is not instead of the first";
  run.pair.agents[1]->ended(1);
  EXPECT_EQ(run.pair.agents[1]->cancelled_clips(), std::set<std::size_t>{0});
}

TEST(Coordinator, ARetryThatComesWhenThereIsNoMoreWorkWaitsForTheNextStart) {
  Played run(1);
  run.ask(1);
  EXPECT_EQ(run.assigned(1), 0u);
  run.pair.agents[1]->send(0, message::Failed{1, 0, static_cast<int>(Error::permanent), "on purpose"});
  for (const int rank : {0, 1}) {
    run.ask(rank);
    EXPECT_TRUE(std::holds_alternative<message::NoMoreWork>(run.next(rank)));
  }
  run.request(ControlRequest::retry);
  run.pair.wait_for_heartbeats(/*to=*/1, 20);  // of 20 ms each: longer than the coordinator leaves requests unseen
  run.pair.agents[1]->say_farewell("");
  EXPECT_TRUE(comes_true([&] { return run.is_over.load(); })) << "nobody would ask for the clip";
  EXPECT_FALSE(run.seen.has("retried 0"));
  EXPECT_EQ(run.take(Taken::all).size(), 1u);
}

TEST(Coordinator, RetryTakesUpWhatHasFailedAndACancelledClipOnlyByName) {
  Played run(3);
  run.ask(1);
  EXPECT_EQ(run.assigned(1), 0u);
  run.pair.agents[1]->send(0, message::Failed{1, 0, static_cast<int>(Error::permanent), "on purpose"});
  run.request(ControlRequest::cancel, 1);
  EXPECT_TRUE(comes_true([&] { return run.seen.has("failed 0") && run.seen.has("cancelled 1"); }));
  run.request(ControlRequest::retry);
  EXPECT_TRUE(comes_true([&] { return run.seen.has("retried 0"); }));
  run.ask(1);
  EXPECT_EQ(run.assigned(1), 0u);
  EXPECT_FALSE(run.seen.has("retried 1"));
  run.request(ControlRequest::retry, 1);
  EXPECT_TRUE(comes_true([&] { return run.seen.has("retried 1"); }));
  run.ask(0);
  EXPECT_EQ(run.assigned(0), 1u);
}

TEST(Coordinator, ADrainThatAUserAsksForReachesAllRanks) {
  Played run(2);
  run.request(ControlRequest::drain);
  EXPECT_TRUE(comes_true([&] { return run.pair.agents[1]->stop_requested(); }));
  EXPECT_TRUE(run.seen.has("draining: a user asks for it 0"));
  run.ask(0);
  EXPECT_TRUE(std::get<message::NoMoreWork>(run.next(0)).keep_stashed);
}

TEST(Coordinator, ARankThatWasLostWithTwoClipsGetsNoWork) {
  AgentPair pair;
  const std::vector<Job> jobs(1);
  const Groups groups{{{0}, {1}}};
  Dispatch dispatch(jobs, {Role::resident, Role::resident}, [](const Job&, Stage) { return 1.0; }, {});
  NobodyObserves observer;
  Coordinator coordinator(dispatch, groups, *pair.agents[0], observer);
  coordinator.leave_out(0);  // without rank 0 there is no run
  coordinator.leave_out(1);
  const std::jthread dispatching([&] { coordinator.run(); });
  pair.agents[1]->send(0, message::RequestWork{1});
  EXPECT_TRUE(std::holds_alternative<message::NoMoreWork>(pair.agents[1]->next()));
  pair.agents[0]->send(0, message::RequestWork{0});
  EXPECT_EQ(std::get<message::Assign>(pair.agents[0]->next()).clip, 0u);
  coordinator.abandon();
}

}  // namespace
}  // namespace wf
