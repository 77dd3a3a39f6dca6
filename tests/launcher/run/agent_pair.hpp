// tests/launcher/run/agent_pair.hpp: the agents of two ranks in one process, over a transport that tests can look into.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "launcher/run/rank_agent.hpp"

namespace wf {

/// What has been sent to one rank.
struct PacketQueue {
  std::mutex mutex;
  std::deque<Packet> packets;
  std::atomic<int> chunks = 0, heartbeats = 0;  ///< that were ever sent to it
};

/// Between two ranks of this process.
class PairTransport final : public Transport {
 public:
  PairTransport(int rank, PacketQueue* queues) : rank_(rank), queues_(queues) {}
  int rank() const override { return rank_; }
  int size() const override { return 2; }
  void send(int to, SharedBytes bytes) override {
    const Message message = to_message(*bytes);
    queues_[to].chunks += std::holds_alternative<message::StateChunk>(message);
    queues_[to].heartbeats += std::holds_alternative<message::Heartbeat>(message);
    const std::lock_guard lock(queues_[to].mutex);
    queues_[to].packets.push_back({rank_, *bytes});
  }
  void forget(int) override {}
  std::optional<Packet> receive() override {
    const std::lock_guard lock(queues_[rank_].mutex);
    if (queues_[rank_].packets.empty()) return std::nullopt;
    Packet packet = std::move(queues_[rank_].packets.front());
    queues_[rank_].packets.pop_front();
    return packet;
  }
  bool is_carrying() const override { return false; }
  bool flush(std::chrono::milliseconds) override { return true; }

 private:
  int rank_;
  PacketQueue* queues_;
};

template <class Condition>
bool comes_true(const Condition& condition) {
  for (int i = 0; i < 20'000 && !condition(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return condition();
}

constexpr std::size_t chunk_bytes = 1000;

struct AgentPair {
  explicit AgentPair(double timeout = 8, std::chrono::milliseconds heartbeat = std::chrono::milliseconds(20),
                     std::chrono::milliseconds patience = std::chrono::seconds(5),
                     const std::vector<std::string>& processes = {}) {
    for (int i = 0; i < 2; ++i) {
      transports[i] = std::make_unique<PairTransport>(i, queues);
      agents[i] = std::make_unique<RankAgent>(*transports[i],
                                              RankAgentOptions{.hosts = {"one", "two"},
                                                               .processes = processes,
                                                               .heartbeat = heartbeat,
                                                               .timeout = timeout,
                                                               .end_process = [this, i](int code) { ended[i] = code; },
                                                               .leave_process = [this, i](int code) { left[i] = code; },
                                                               .chunk = chunk_bytes,
                                                               .patience = patience});
    }
  }
  /// Waits until that many more heartbeats have been sent to the rank: a time that stretches with the machine's load.
  void wait_for_heartbeats(int to, int count) {
    const int wanted = queues[to].heartbeats + count;
    ASSERT_TRUE(comes_true([&] { return queues[to].heartbeats >= wanted; })) << queues[to].heartbeats;
  }
  PacketQueue queues[2];
  std::unique_ptr<Transport> transports[2];
  std::atomic<int> ended[2] = {-1, -1};  ///< exit codes of the processes that would have ended; -1: goes on
  std::atomic<int> left[2] = {-1, -1};   ///< the same of those that would have ended alone
  std::unique_ptr<RankAgent> agents[2];
};

}  // namespace wf
