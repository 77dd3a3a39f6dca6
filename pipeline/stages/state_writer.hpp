// pipeline/stages/state_writer.hpp: states of clips under way go to the disk while the next steps are computed, so that
// a process that is killed costs only the work since the last one.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "base/background.hpp"
#include "base/files.hpp"
#include "pipeline/stages/store.hpp"

namespace wf {

/// Decides when the state of a clip under way is worth storing. Pure: `now` is seconds of any clock that never goes
/// back. What is at risk is the time since the last stored state, counted from the first step that this rank does.
class StorePolicy {
 public:
  /// interval: work that may be lost; 0: nothing is stored.
  explicit StorePolicy(std::chrono::seconds interval) : interval_(static_cast<double>(interval.count())) {}

  /// A clip begins. What it begins with is on the disk already, or cheap.
  void begin() { step_ = none; }
  /// Whether to store the state before the next step, of which `step` steps are done: the interval has passed. To be
  /// called before every step.
  bool due(std::int64_t step, double now);
  /// Whether to store the state between two stages: at least a twentieth of the interval is at risk. So a long clip
  /// keeps what each stage made, and a trivial one costs nothing.
  bool pays(std::int64_t step, double now) const { return step_ != none && at_risk(step, now, interval_ / 20); }
  /// A state with `step` steps done is stored, or is about to be.
  void stored(std::int64_t step, double now) { step_ = step, since_ = now; }

 private:
  static constexpr std::int64_t none = -1;
  bool at_risk(std::int64_t step, double now, double seconds) const {
    return interval_ > 0 && step > step_ && now - since_ >= seconds;
  }

  double interval_;
  std::int64_t step_ = none;  ///< steps done in the last stored state
  double since_ = 0;          ///< when it was made
};

/// A state and the file that it goes to.
struct StateToStore {
  std::string clip;  ///< its name, for the log and the trace
  Path file;
  std::string fingerprint;
  StoredState stored;  ///< on the device; tensors that are never changed, and whose computation is complete
};

/// Writes states on a background thread. The GPU's memory is copied on a stream of its own, so computing goes on. That
/// a state cannot be written (a full disk) is no failure of its clip: the log says so once per clip.
///
/// All functions may be called by any thread; those of one clip by one thread at a time.
class StateWriter {
 public:
  /// device: of the states.
  explicit StateWriter(at::Device device) : device_(device), background_("states", 1) {}

  /// Has the state written soon, in place of an older one of its clip that still waits. Never blocks: false when a
  /// state of another clip waits, so that memory for one is enough.
  bool offer(StateToStore state);
  /// Writes the state on the calling thread, after earlier ones of its clip.
  void write_now(const StateToStore& state);
  /// Returns once no state waits for this file or is being written to it. To be called before anyone else writes or
  /// removes the file.
  void wait_for(const Path& file);

 private:
  void write_waiting();
  void write(const StateToStore& state);
  void warn_once(const std::string& clip, const std::string& why);

  const at::Device device_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<StateToStore> waiting_;
  bool is_queued_ = false;       ///< a task for what waits is queued
  std::optional<Path> writing_;  ///< the file that the background thread writes
  std::set<std::string> warned_;
  Background background_;  ///< declared last, so that its thread ends before the members that it uses
};

}  // namespace wf
