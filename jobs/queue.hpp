// jobs/queue.hpp: which clip next. Pure policy: no clock, no files, no threads of its own.
#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <optional>
#include <vector>

#include "cluster/error.hpp"
#include "jobs/job.hpp"

namespace wf {

/// Order: priority, then shape groups (equal width, height, frames and steps back to back; the group with the longest
/// predicted clip first), then the list's order. A failed job is tried again when its error's kind allows, later than
/// all untried ones. Each operation takes constant time on average.
class Queue {
 public:
  enum class State { waiting, running, done, failed };
  explicit Queue(const std::vector<Job>& jobs, int retries = 2);
  /// The next clip to work on (an index into `jobs`), now running; empty when none waits.
  std::optional<std::size_t> next();
  void done(std::size_t job);  ///< also for a clip found finished
  /// True when it will be tried again (transient, resource and internal errors, at most `retries` times).
  bool failed(std::size_t job, Error::Kind kind);
  void give_back(std::size_t job);  ///< running -> waiting, at the front: a drain interrupted it
  State state(std::size_t job) const { return entries_.at(job).state; }
  std::size_t count(State state) const { return counts_[static_cast<std::size_t>(state)]; }
  const std::vector<std::size_t>& order() const { return order_; }

 private:
  struct Entry {
    State state = State::waiting;
    int attempts = 0;
  };
  void set(std::size_t job, State state);

  // A waiting job stands in one of these three, in this order of turn; one that was found finished is passed over
  // there.
  std::vector<std::size_t> given_back_;  ///< the latest first
  std::vector<std::size_t> order_;       ///< all jobs in the order of work, waiting from position_ on
  std::deque<std::size_t> again_;        ///< failed ones, tried after all others

  std::size_t position_ = 0;
  std::vector<Entry> entries_;
  std::array<std::size_t, 4> counts_{};
  int retries_;
};

/// Predicted work of one clip, in arbitrary units: what orders clips by length before anything was measured.
double predicted_work(const Job& job) noexcept;

}  // namespace wf
