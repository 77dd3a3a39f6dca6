// tests/launcher/run/stashed_state_test.cpp: how stashed states of clips get from rank to rank, by an order and ahead
// of it by a hint.
#include "base/error.hpp"
#include "tests/launcher/run/agent_pair.hpp"

namespace wf {
namespace {

Bytes state_of(std::size_t size, int seed = 0) {
  Bytes state(size);
  for (std::size_t i = 0; i < size; ++i) state[i] = static_cast<std::uint8_t>(i * 7 + static_cast<std::size_t>(seed));
  return state;
}

/// Rank 0 holds clips, rank 1 is given them.
struct StashedStates : testing::Test, AgentPair {
  void stash(std::size_t clip, Bytes state) { agents[0]->stash(clip, std::move(state)); }
  void hint(std::size_t clip, Stage first = Stage::low) {
    transports[0]->send(1, to_bytes(message::PrefetchHint{{clip, first, 0}}));
  }
  /// What rank 1 fetches for an order of rank 0. The order is sent past the agent of rank 0, which may be gone.
  Bytes fetch_for_order(std::size_t clip, Stage first = Stage::low) {
    transports[0]->send(1, to_bytes(message::Assign{clip, first, Stage::write, 0}));
    return agents[1]->fetch(std::get<message::Assign>(agents[1]->next()));
  }
  bool holds(std::size_t clip) const {
    const std::vector<std::size_t> stashed = agents[0]->stashed();
    return std::find(stashed.begin(), stashed.end(), clip) != stashed.end();
  }
  void wait_for_chunks(int count) {
    ASSERT_TRUE(comes_true([&] { return queues[1].chunks == count; })) << queues[1].chunks;
  }
};

TEST_F(StashedStates, AStateIsFetchedInChunksAndThenForgotten) {
  for (const std::size_t size : {1u, 999u, 1000u, 1001u, 12'345u}) {
    stash(3, state_of(size));
    EXPECT_EQ(fetch_for_order(3), state_of(size)) << size;
    EXPECT_TRUE(comes_true([&] { return !holds(3); })) << "the receiver has it";
  }
}

TEST_F(StashedStates, WhatIsNotThereIsATransientError) {
  try {
    fetch_for_order(9);
    FAIL() << "there is no clip 9";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::transient);
    EXPECT_NE(std::string(error.what()).find("rank 0 (node one)"), std::string::npos) << error.what();
  }
  stash(9, Bytes(10));
  EXPECT_EQ(fetch_for_order(9).size(), 10u) << "it can be fetched later";
}

TEST_F(StashedStates, AHintBringsTheStateBeforeTheOrder) {
  stash(3, state_of(12'345));
  hint(3);
  wait_for_chunks(13);
  EXPECT_TRUE(holds(3)) << "it is a copy until somebody is given the clip";
  agents[0].reset();
  EXPECT_EQ(fetch_for_order(3), state_of(12'345)) << "without the holder's help";
}

TEST_F(StashedStates, AWrongHintLosesNothing) {
  stash(1, state_of(12'345, 1));
  stash(2, state_of(5'000, 2));
  hint(1);
  EXPECT_EQ(fetch_for_order(2), state_of(5'000, 2)) << "chunks of clip 1 were on their way";
  EXPECT_TRUE(holds(1));
  EXPECT_EQ(fetch_for_order(1), state_of(12'345, 1));
}

TEST_F(StashedStates, AHintThatCameTooEarlyIsForgotten) {
  hint(9);
  wait_for_chunks(1);  // which says that nothing is there
  stash(9, state_of(100));
  EXPECT_EQ(fetch_for_order(9), state_of(100));
}

TEST_F(StashedStates, AStateFetchedForAnEarlierStageIsNotTakenForALaterOne) {
  stash(3, state_of(100, 1));
  hint(3, Stage::high);
  wait_for_chunks(1);
  stash(3, state_of(200, 2));
  EXPECT_EQ(fetch_for_order(3, Stage::low), state_of(200, 2));
}

TEST_F(StashedStates, AnOrderForAnotherClipFreesWhatWasFetched) {
  stash(3, state_of(100));
  hint(3);
  wait_for_chunks(1);
  transports[0]->send(1, to_bytes(message::Assign{5, Stage::text, Stage::write, -1}));
  agents[1]->next();
  EXPECT_EQ(fetch_for_order(3), state_of(100));
  EXPECT_EQ(queues[1].chunks, 2) << "it was fetched again";
}

}  // namespace
}  // namespace wf
