#include "launcher/farm/incoming.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace wf {
namespace {

using namespace std::chrono_literals;

constexpr auto deadline = 10min;         ///< for what the computing thread waits for
constexpr std::size_t pieces_ahead = 2;  ///< asked for before the first of them has come

}  // namespace

void Incoming::begin(const Parked& what) {
  const std::lock_guard lock(mutex_);
  if (state_ != State::none && what == what_) return;
  end(State::coming);
  what_ = what;
  ++number_;
  asked_ = come_ = 0;
  span_.emplace("communication", "pull");
  ask_next();  // one alone: its answer says how many there are
}

void Incoming::drop() {
  const std::lock_guard lock(mutex_);
  end(State::none);
}

void Incoming::ask_next() {
  ask_(what_.holder, {what_.clip, number_, asked_});
  asked_ += piece_;
}

void Incoming::end(State state) {
  state_ = state;
  span_.reset();
  if (state != State::here) bytes_ = {};
  changed_.notify_all();
}

void Incoming::hear(const letter::Piece& piece) {
  const std::lock_guard lock(mutex_);
  if (state_ != State::coming || piece.number != number_) return;
  if (piece.total == 0) return end(State::none);
  bytes_.resize(piece.total);
  std::copy(piece.bytes.begin(), piece.bytes.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(piece.offset));
  come_ += piece.bytes.size();
  if (come_ == piece.total) return end(State::here);
  while (asked_ < piece.total && asked_ < come_ + pieces_ahead * piece_) ask_next();
}

std::optional<Bytes> Incoming::take() {
  std::unique_lock lock(mutex_);
  if (state_ == State::coming) {
    const trace::Span waiting("wait", "pull");
    changed_.wait_for(lock, deadline, [this] { return state_ != State::coming; });
  }
  std::optional<Bytes> all;
  if (state_ == State::here) all = std::move(bytes_);
  end(State::none);
  return all;
}

}  // namespace wf
