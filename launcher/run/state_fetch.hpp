// launcher/run/state_fetch.hpp: fetches the stashed state of a clip from the rank that holds it, chunk by chunk.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>

#include "base/trace.hpp"
#include "launcher/run/messages.hpp"

namespace wf {

/// One fetch at a time: of the clip that is assigned, or will probably be assigned next. The agent's thread requests
/// and receives the chunks while the computing thread works; the computing thread takes the complete state.
class StateFetch {
 public:
  using SendRequest = std::function<void(int holder, const message::FetchState&)>;
  /// chunk: bytes of one StateChunk, the same on all ranks. deadline: the longest that take() waits.
  StateFetch(SendRequest request, std::size_t chunk, std::chrono::milliseconds deadline)
      : request_(std::move(request)), chunk_(chunk), deadline_(deadline) {}

  // For the agent's thread.
  /// Starts to fetch that state and drops any other one. Does nothing when this state is being fetched or is here.
  void begin(const StashedState& state);
  /// Forgets what was fetched.
  void drop();
  void on_chunk(const message::StateChunk& chunk);
  /// That rank is lost, with what it holds.
  void on_lost(int holder);

  // For the computing thread.
  /// The bytes of the state that begin() was called for last; waits until they are complete. Empty when the holder has
  /// nothing of the clip, or does not answer within the deadline.
  std::optional<Bytes> take();

 private:
  enum class Progress { none, fetching, complete };
  void request_next();
  void set(Progress progress);

  const SendRequest request_;
  const std::size_t chunk_;
  const std::chrono::milliseconds deadline_;
  std::mutex mutex_;  ///< guards all members below
  std::condition_variable changed_;
  Progress progress_ = Progress::none;
  StashedState state_;
  std::uint64_t number_ = 0;                    ///< of the current fetch
  std::uint64_t requested_ = 0, received_ = 0;  ///< bytes
  Bytes bytes_;
  std::optional<trace::Span> span_;
};

}  // namespace wf
