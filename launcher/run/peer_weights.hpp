// launcher/run/peer_weights.hpp: experts that ranks of one node copy from each other's GPUs instead of from their
// files.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "launcher/run/messages.hpp"
#include "parallel/weight_lease.hpp"

namespace wf {

/// Both sides of the protocol RequestWeights -> WeightHandles -> ReturnWeights, on every rank. The agent's thread
/// answers requests at any time, also while the computing thread waits for an answer itself, so two ranks may request
/// each other's experts at once.
class PeerWeights {
 public:
  using Send = std::function<void(int to, const Message&)>;
  using LeaseSource = std::function<WeightLease(Role)>;

  /// patience: how long request() waits for an answer.
  PeerWeights(Send send, std::chrono::milliseconds patience) : send_(std::move(send)), patience_(patience) {}

  // For the agent's thread.
  void on_request(int requester, const message::RequestWeights& request);
  void on_handles(message::WeightHandles answer);
  void on_return(int requester) { leases_.erase(requester); }

  // For the computing thread.
  /// Requests are answered with what `source` gives; an empty source answers "nothing", and no call of the earlier
  /// source is in progress when this returns.
  void serve_with(LeaseSource source);
  /// The handles of that rank's expert; ends the lease when the result is destroyed. The handles are empty when the
  /// peer has nothing or does not answer in time.
  WeightLease request(int peer, Role role);

 private:
  void return_to(int peer) noexcept;

  const Send send_;
  const std::chrono::milliseconds patience_;
  std::map<int, std::shared_ptr<const void>> leases_;  ///< by requester, until it returns the weights
  std::mutex source_mutex_;
  LeaseSource source_;
  std::mutex mutex_;  ///< guards all members below
  std::condition_variable answered_;
  std::uint64_t number_ = 0;  ///< of this rank's last request: answers to earlier ones may still come
  std::optional<Bytes> answer_;
};

}  // namespace wf
