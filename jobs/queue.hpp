// jobs/queue.hpp: which clip next. Pure policy: no clock, no files, no threads of its own.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cluster/error.hpp"
#include "jobs/job.hpp"

namespace wf {

/// Order: priority, then shape groups (equal width, height, frames and steps back to back; the group with the longest
/// predicted clip first), then the list's order. A failed job is tried again when its error's kind allows, later than all untried ones.
class Queue {
 public:
  enum class State { waiting, running, done, failed };
  explicit Queue(const std::vector<Job>& jobs, int retries = 2);
  /// The next clip to work on (an index into `jobs`), now running; empty when none waits.
  std::optional<std::size_t> next();
  void done(std::size_t job);                       ///< also for a clip found finished
  /// True when it will be tried again (transient, resource and internal errors, at most `retries` times).
  bool failed(std::size_t job, Error::Kind kind);
  void give_back(std::size_t job);                  ///< running -> waiting, at the front: a drain interrupted it
  State state(std::size_t job) const;
  std::size_t count(State state) const;
  const std::vector<std::size_t>& order() const;

 private:
  struct Entry {
    State state = State::waiting;
    int attempts = 0;
  };
  std::vector<Entry> entries_;
  std::vector<std::size_t> order_;  ///< job indices in the order of work
  std::vector<std::size_t> again_;  ///< failed ones, tried after all others
  int retries_;
};

}  // namespace wf
