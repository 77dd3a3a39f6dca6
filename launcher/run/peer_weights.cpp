#include "launcher/run/peer_weights.hpp"

#include <utility>

#include "base/log.hpp"
#include "base/trace.hpp"

namespace wf {

// ---- The side that holds the weights

void PeerWeights::on_request(int requester, const message::RequestWeights& request) {
  WeightLease lease;
  try {
    const std::lock_guard lock(source_mutex_);
    if (source_) lease = source_(request.role);
  } catch (const std::exception& error) {  // the requester can do without
    spdlog::debug("no weights for rank {}: {}", requester, error.what());
  }
  if (!lease.handles.empty()) leases_[requester] = std::move(lease.lease);
  send_(requester, message::WeightHandles{request.number, std::move(lease.handles)});
}

void PeerWeights::serve_with(LeaseSource source) {
  const std::lock_guard lock(source_mutex_);
  source_ = std::move(source);
}

// ---- The side that requests them

void PeerWeights::on_handles(message::WeightHandles answer) {
  const std::lock_guard lock(mutex_);
  if (answer.number != number_) return;
  answer_ = std::move(answer.handles);
  answered_.notify_one();
}

/// The end of a lease must not throw; a peer that cannot be told waits for it for its patience.
void PeerWeights::return_to(int peer) noexcept {
  try {
    send_(peer, message::ReturnWeights{});
  } catch (const std::exception& error) {
    spdlog::error("rank {} could not be told that its weights are free again: {}", peer, error.what());
  }
}

/// The peer reads ReturnWeights after the request, whenever it comes to it: so a lease that is granted too late, when
/// nobody waits for the answer any more, ends as well.
WeightLease PeerWeights::request(int peer, Role role) {
  const trace::Span waiting("wait", "weights");
  std::unique_lock lock(mutex_);
  answer_.reset();
  send_(peer, message::RequestWeights{++number_, role});
  const auto end = [this, peer](const void*) noexcept { return_to(peer); };
  WeightLease lease{.lease = std::shared_ptr<const void>(this, end)};
  if (answered_.wait_for(lock, patience_, [this] { return answer_.has_value(); }))
    lease.handles = std::move(*answer_);
  else
    spdlog::debug("rank {} does not answer a request for weights", peer);
  return lease;
}

}  // namespace wf
