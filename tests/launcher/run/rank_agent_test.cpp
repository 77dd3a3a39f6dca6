// tests/launcher/run/rank_agent_test.cpp: the duties of a rank's agent: heartbeats, a stop that reaches all, lost
// ranks.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include "base/machine.hpp"
#include "tests/launcher/run/agent_pair.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;

TEST(RankAgent, RankZeroKnowsWhatTheOthersAreDoing) {
  AgentPair pair;
  pair.agents[1]->set_activity({"kite", Stage::low, 5, 9});
  EXPECT_TRUE(comes_true([&] { return pair.agents[0]->activities()[1] == Activity{"kite", Stage::low, 5, 9}; }));
}

TEST(RankAgent, AStepIsReportedBeforeTheNextHeartbeatIsDue) {
  AgentPair pair(/*timeout=*/8, /*heartbeat=*/1h);
  for (const std::int64_t step : {1, 2, 3}) {
    const Activity activity{"kite", Stage::high, step, 9};
    pair.agents[1]->set_activity(activity);
    EXPECT_TRUE(comes_true([&] { return pair.agents[0]->activities()[1] == activity; })) << step;
  }
}

TEST(RankAgent, AStopReachesAllRanks) {
  AgentPair pair;
  EXPECT_FALSE(pair.agents[1]->stop_requested());
  pair.agents[0]->stop_all();
  EXPECT_TRUE(comes_true([&] { return pair.agents[1]->stop_requested(); }));
}

TEST(RankAgent, ARankThatFallsSilentEndsTheRunOfTheOther) {
  for (const int silent : {0, 1}) {
    AgentPair pair(/*timeout=*/1);
    for (const int rank : {0, 1}) pair.wait_for_heartbeats(rank, 20);
    EXPECT_EQ(pair.ended[0], -1) << "both send heartbeats";
    EXPECT_EQ(pair.ended[1], -1);
    pair.agents[silent].reset();
    EXPECT_TRUE(comes_true([&] { return pair.ended[1 - silent] == 1; })) << "rank " << silent << " is gone";
  }
}

TEST(RankAgent, AfterAFarewellSilenceIsNoFailure) {
  AgentPair pair(/*timeout=*/0.2);
  pair.agents[1]->say_farewell("trace");
  const auto report = pair.agents[0]->next_report(20s);
  ASSERT_TRUE(report && std::holds_alternative<message::Farewell>(report->message));
  pair.agents[1].reset();
  pair.wait_for_heartbeats(/*to=*/1, 30);  // of 20 ms each, so well beyond the timeout
  EXPECT_EQ(pair.ended[0], -1);
}

TEST(RankAgent, AnAbortEndsBothWithItsCode) {
  AgentPair pair;
  pair.agents[1]->abort(3, "on purpose");
  EXPECT_TRUE(comes_true([&] { return pair.ended[0] == 3; }));
  EXPECT_EQ(pair.ended[1], 3);
}

/// A transport whose library fails.
class BrokenTransport final : public Transport {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void send(int, SharedBytes) override { throw Error(Error::resource, "on purpose"); }
  void forget(int) override {}
  std::optional<Packet> receive() override { return std::nullopt; }
  bool is_carrying() const override { return false; }
  bool flush(std::chrono::milliseconds) override { throw Error(Error::resource, "on purpose"); }
};

TEST(RankAgent, AnErrorOfTheTransportDoesNotLeaveItsDestructor) {
  BrokenTransport transport;
  {
    const RankAgent agent(transport, {.hosts = {}, .end_process = [](int) {}});
  }
}

constexpr auto soon = 20s;

/// The loss that rank 0's coordinator hears of next.
message::Lost next_loss(AgentPair& pair) {
  for (;;) {
    const auto report = pair.agents[0]->next_report(soon);
    if (!report) return {-1, "none was reported"};
    if (const auto* const lost = std::get_if<message::Lost>(&report->message)) return *lost;
  }
}

TEST(RankAgent, ARankThatCannotGoOnIsDoneWithoutWhereOthersCan) {
  AgentPair pair;
  pair.agents[0]->survive_losses({{0}, {1}});
  pair.agents[1]->send(0, message::Lost{1, "cannot go on: on purpose", 3});
  const message::Lost lost = next_loss(pair);
  EXPECT_EQ(lost.rank, 1);
  EXPECT_EQ(lost.why, "cannot go on: on purpose");
  EXPECT_TRUE(comes_true([&] { return pair.left[1] == 1; })) << "rank 0 tells it to leave";
  EXPECT_EQ(pair.ended[0], -1);
}

TEST(RankAgent, ARankThatRankZerosGroupNeedsEndsTheRunWithItsCode) {
  AgentPair pair;
  std::atomic<int> told = -1;
  pair.agents[0]->tell_of_fatal_losses([&](int rank, const std::string&) { told = rank; });
  pair.agents[0]->survive_losses({{0, 1}});
  pair.agents[1]->send(0, message::Lost{1, "cannot go on: on purpose", 3});
  EXPECT_TRUE(comes_true([&] { return pair.ended[0] == 3 && pair.ended[1] == 3; }));
  EXPECT_EQ(told, 1);
}

/// A process that waits.
struct Child {
  Child() {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    pid = ::fork();
    if (pid == 0) {
      const std::string own = process_identity();
      if (::write(ends[1], own.data(), own.size()) < 0) ::_exit(1);
      for (;;) ::pause();
    }
    char text[512];
    identity.assign(text, static_cast<std::size_t>(std::max<ssize_t>(0, ::read(ends[0], text, sizeof text))));
    ::close(ends[0]);
    ::close(ends[1]);
  }
  ~Child() { kill(); }
  void kill() {
    if (const pid_t running = std::exchange(pid, 0); running > 0)
      ::kill(running, SIGKILL), ::waitpid(running, nullptr, 0);
  }
  pid_t pid = 0;
  std::string identity;
};

TEST(RankAgent, AProcessThatIsSeenToHaveEndedIsLostLongBeforeItsTimeout) {
  Child child;
  AgentPair pair(/*timeout=*/3600, /*heartbeat=*/20ms, /*patience=*/5s, {"", child.identity});
  pair.agents[0]->survive_losses({{0}, {1}});
  pair.wait_for_heartbeats(/*to=*/1, 20);
  EXPECT_FALSE(pair.agents[0]->has_lost_ranks()) << "it runs";
  child.kill();
  EXPECT_EQ(next_loss(pair).why, "has died");
}

}  // namespace
}  // namespace wf
