// tests/launcher/run/rank_agent_test.cpp: the duties of a rank's agent: heartbeats, a stop that reaches all, lost
// ranks.
#include <gtest/gtest.h>

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
  void send(int, Bytes) override { throw Error(Error::resource, "on purpose"); }
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

}  // namespace
}  // namespace wf
