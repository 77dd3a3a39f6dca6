// launcher/farm/incoming.hpp: a parked clip on its way here from the rank that holds it, a piece at a time.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>

#include "cluster/trace.hpp"
#include "launcher/farm/letters.hpp"

namespace wf {

/// One at most: what the clip that comes next goes on from, as far as that is known. The courier's thread fetches a
/// copy while another thread computes, which takes it when it needs it.
class Incoming {
 public:
  using Ask = std::function<void(int holder, const letter::Pull&)>;
  /// piece: bytes in one letter, on all ranks alike.
  Incoming(Ask ask, std::size_t piece) : ask_(std::move(ask)), piece_(piece) {}

  // For the courier's thread.
  void begin(const Parked& what);  ///< nothing to do when that is on its way, or here; what else there was is dropped
  void drop();
  void hear(const letter::Piece& piece);

  // For the thread that computes.
  /// Of what was begun last: waits until all of it is here. Empty when the holder has nothing, or does not answer.
  std::optional<Bytes> take();

 private:
  enum class State { none, coming, here };
  void ask_next();
  void end(State state);

  const Ask ask_;
  const std::size_t piece_;
  std::mutex mutex_;  ///< of all below
  std::condition_variable changed_;
  State state_ = State::none;
  Parked what_;
  std::uint64_t number_ = 0;  ///< of this fetch: pieces of one that was dropped still come
  std::uint64_t asked_ = 0, come_ = 0;
  Bytes bytes_;
  std::optional<trace::Span> span_;
};

}  // namespace wf
