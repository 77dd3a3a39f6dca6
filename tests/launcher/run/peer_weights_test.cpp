// tests/launcher/run/peer_weights_test.cpp: experts that ranks lease to each other: the memory stays as long as it is
// leased and no longer, and a rank that gets nothing knows that in time.
#include <future>
#include <stdexcept>

#include "tests/launcher/run/agent_pair.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;

constexpr auto short_patience = 50ms;

/// One rank's expert, whose memory lives as long as the rank or a lease keeps it.
struct HeldExpert {
  WeightLease lease() const { return {handles, memory}; }
  bool is_leased() const { return memory.use_count() > 1; }

  Bytes handles;
  std::shared_ptr<const int> memory = std::make_shared<const int>(0);
};

struct PeerWeightsOfTwo : testing::Test, AgentPair {
  PeerWeights& of(int rank) { return agents[rank]->peer_weights(); }
  void offer(int rank, const HeldExpert& expert) {
    of(rank).serve_with([&expert](Role) { return expert.lease(); });
  }
};

TEST_F(PeerWeightsOfTwo, WhatIsLeasedStaysUntilItIsReturned) {
  const HeldExpert expert{{1, 2, 3}};
  offer(0, expert);
  WeightLease leased = of(1).request(0, Role::low);
  EXPECT_EQ(leased.handles, (Bytes{1, 2, 3}));
  wait_for_heartbeats(/*to=*/0, 3);
  EXPECT_TRUE(expert.is_leased());
  leased = {};
  EXPECT_TRUE(comes_true([&] { return !expert.is_leased(); }));
}

TEST_F(PeerWeightsOfTwo, ARequestNamesTheRoleWhoseExpertComes) {
  of(0).serve_with([](Role role) { return WeightLease{{static_cast<std::uint8_t>(role)}, std::make_shared<int>()}; });
  for (const Role role : {Role::high, Role::low})
    EXPECT_EQ(of(1).request(0, role).handles, Bytes{static_cast<std::uint8_t>(role)});
}

TEST_F(PeerWeightsOfTwo, ARankWithoutTheExpertAnswersAtOnce) {
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(of(1).request(0, Role::low).handles.empty()) << "before it begins to work";
  of(0).serve_with([](Role) { return WeightLease{}; });
  EXPECT_TRUE(of(1).request(0, Role::low).handles.empty()) << "it has another expert";
  of(0).serve_with([](Role) -> WeightLease { throw std::runtime_error("on purpose"); });
  EXPECT_TRUE(of(1).request(0, Role::low).handles.empty()) << "it cannot be shared";
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 4s) << "that is nearly its patience";
  EXPECT_EQ(ended[0], -1) << "none of this ends a run";
}

TEST_F(PeerWeightsOfTwo, ARankThatHasStoppedServingLeasesNothing) {
  const HeldExpert expert{{1}};
  offer(0, expert);
  of(0).serve_with({});
  EXPECT_TRUE(of(1).request(0, Role::low).handles.empty());
}

TEST_F(PeerWeightsOfTwo, BothAskEachOtherAtOnce) {
  const HeldExpert experts[] = {{{10}}, {{11}}};
  for (const int rank : {0, 1}) offer(rank, experts[rank]);
  for (int round = 0; round < 50; ++round) {
    auto other = std::async(std::launch::async, [&] { return of(1).request(0, Role::high); });
    const WeightLease leased = of(0).request(1, Role::low);
    EXPECT_EQ(leased.handles, Bytes{11});
    EXPECT_EQ(other.get().handles, Bytes{10});
  }
}

TEST_F(PeerWeightsOfTwo, ARequesterMayAskAgain) {
  const HeldExpert expert{{1}};
  offer(0, expert);
  for (int round = 0; round < 3; ++round) EXPECT_EQ(of(1).request(0, Role::low).handles, Bytes{1});
  EXPECT_TRUE(comes_true([&] { return !expert.is_leased(); }));
}

struct ImpatientRequester : testing::Test, AgentPair {
  ImpatientRequester() : AgentPair(8, std::chrono::milliseconds(20), short_patience) {}
};

TEST_F(ImpatientRequester, ARankThatIsGoneIsNotWaitedForLong) {
  agents[0].reset();
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(agents[1]->peer_weights().request(0, Role::low).handles.empty());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 4s);
}

TEST_F(ImpatientRequester, AnAnswerThatComesTooLateIsNeitherKeptNorTakenForAnother) {
  PeerWeights &peer = agents[0]->peer_weights(), &requester = agents[1]->peer_weights();
  const HeldExpert expert{{1}};
  std::promise<void> go_on;
  peer.serve_with([&, waits = go_on.get_future().share()](Role role) {
    if (role == Role::low) waits.wait();
    return role == Role::low ? expert.lease() : WeightLease{};
  });
  EXPECT_TRUE(requester.request(0, Role::low).handles.empty()) << "no answer";
  go_on.set_value();
  EXPECT_TRUE(requester.request(0, Role::high).handles.empty()) << "the late one comes first";
  EXPECT_TRUE(comes_true([&] { return !expert.is_leased(); }));
}

TEST(PeerWeights, ALeaseEndsWithoutAnErrorWhenThePeerCannotBeTold) {
  bool fails = false;
  PeerWeights weights(
      [&fails](int, const Message&) {
        if (fails) throw Error(Error::resource, "on purpose");
      },
      short_patience);
  WeightLease lease = weights.request(1, Role::low);
  fails = true;
  lease = {};
}

}  // namespace
}  // namespace wf
