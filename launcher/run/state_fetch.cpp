#include "launcher/run/state_fetch.hpp"

#include <algorithm>
#include <utility>

namespace wf {
namespace {

constexpr std::size_t chunks_ahead = 2;  ///< requested before the first of them has come, to hide the round trip

}  // namespace

void StateFetch::begin(const StashedState& state) {
  const std::lock_guard lock(mutex_);
  if (progress_ != Progress::none && state == state_) return;
  set(Progress::fetching);
  state_ = state;
  ++number_;
  requested_ = received_ = 0;
  span_.emplace("communication", "fetch");
  request_next();  // a single chunk, for only its answer says how many there are
}

void StateFetch::drop() {
  const std::lock_guard lock(mutex_);
  set(Progress::none);
}

void StateFetch::request_next() {
  request_(state_.holder, {state_.clip, number_, requested_});
  requested_ += chunk_;
}

void StateFetch::set(Progress progress) {
  progress_ = progress;
  span_.reset();
  if (progress != Progress::complete) bytes_ = {};
  changed_.notify_all();
}

void StateFetch::on_chunk(const message::StateChunk& chunk) {
  const std::lock_guard lock(mutex_);
  if (progress_ != Progress::fetching || chunk.number != number_) return;
  if (chunk.total == 0) return set(Progress::none);
  bytes_.resize(chunk.total);
  std::copy(chunk.bytes.begin(), chunk.bytes.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(chunk.offset));
  received_ += chunk.bytes.size();
  if (received_ == chunk.total) return set(Progress::complete);
  while (requested_ < chunk.total && requested_ < received_ + chunks_ahead * chunk_) request_next();
}

void StateFetch::on_lost(int holder) {
  const std::lock_guard lock(mutex_);
  if (progress_ == Progress::fetching && state_.holder == holder) set(Progress::none);
}

std::optional<Bytes> StateFetch::take() {
  std::unique_lock lock(mutex_);
  if (progress_ == Progress::fetching) {
    const trace::Span waiting("wait", "fetch");
    changed_.wait_for(lock, deadline_, [this] { return progress_ != Progress::fetching; });
  }
  std::optional<Bytes> state;
  if (progress_ == Progress::complete) state = std::move(bytes_);
  set(Progress::none);
  return state;
}

}  // namespace wf
