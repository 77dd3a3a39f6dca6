// jobs/schedule/queue.hpp: which clip comes next: a queue with priorities, levels of progress and retries.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <vector>

#include "base/error.hpp"
#include "jobs/job.hpp"

namespace wf {

/// A multi-level queue of clips. The level of a waiting clip is its progress: 0 is untouched, the highest is
/// nearest the end.
///
/// Order of work: priority, then the higher level, then shape (clips of one shape back to back, the shape with the most
/// work first), then the order of the list. A clip that failed is tried again when the kind of its error allows, after
/// all clips that have not failed.
///
/// Clips are indices into `jobs`. Every operation takes O(log n); peek() takes O(n) at worst in the number of excluded
/// clips. Not thread-safe. Calls that do not fit a clip's state throw Error(internal).
class Queue {
 public:
  enum class State { waiting, running, done, failed };
  using Levels = std::uint32_t;  ///< A set of levels: bit i stands for level i.
  static constexpr Levels all_levels = ~Levels{0};

  /// All clips wait at level 0. `work` orders shapes by length, in any unit; it is called once per shape. A clip is
  /// tried at most `retries` + 1 times.
  Queue(const std::vector<Job>& jobs, const std::function<double(const Job&)>& work, int retries);

  /// Takes the first clip that waits in one of the levels; it is running from then on. Empty when none waits there.
  std::optional<std::size_t> next(Levels levels = all_levels);
  /// The clip that next() would take if the excluded ones were not there. Changes nothing.
  std::optional<std::size_t> peek(Levels levels, const std::set<std::size_t>& excluded = {}) const;
  bool has_waiting(Levels levels) const { return first_in(levels) != nullptr; }

  /// Lets a running or waiting clip wait at `level`, where it keeps its turn among the others.
  void requeue(std::size_t clip, int level);
  /// Ends a running clip, or a waiting one that was found finished.
  void done(std::size_t clip);
  /// Ends a running clip's attempt. True when it is tried again, from `retry_level` on: for transient, resource and
  /// internal errors while retries are left. Otherwise the clip has failed for good.
  bool failed(std::size_t clip, Error::Kind kind, int retry_level = 0);

  /// Ends a waiting clip that is not wanted any more, as one that has failed.
  void give_up(std::size_t clip);
  /// Lets a clip that has failed wait at `level`, as if it had never been tried.
  void retry(std::size_t clip, int level);

  State state(std::size_t clip) const { return entries_.at(clip).state; }
  std::size_t count(State state) const { return counts_[static_cast<std::size_t>(state)]; }

 private:
  struct Entry {
    State state = State::waiting;
    int level = 0;
    int failures = 0;
    bool is_retry = false;  ///< Whether the clip waits to be tried again.
    int priority = 0;
    std::size_t turn = 0;  ///< Rank in the order of work within a level; retries get turns after all others.
  };
  /// Sort key of a waiting clip within its level: smaller ones come first.
  struct Position {
    bool is_retry;
    int priority;
    std::size_t turn, clip;
    bool operator<(const Position& other) const;
  };
  Position position(std::size_t clip) const;
  const Position* first_in(Levels levels, const std::set<std::size_t>& excluded = {}) const;
  void set_state(std::size_t clip, State state);

  std::vector<Entry> entries_;
  std::array<std::set<Position>, 32> levels_;
  Levels filled_ = 0;  ///< Levels where at least one clip waits.
  std::array<std::size_t, 4> counts_{};
  std::size_t next_retry_turn_;
  int retries_;
};

}  // namespace wf
