// jobs/queue.hpp: which clip next. Pure policy: no clock, no files, no threads of its own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <vector>

#include "cluster/error.hpp"
#include "jobs/job.hpp"

namespace wf {

/// Predicted work of one clip, in arbitrary units: what orders clips by length before anything was measured.
double predicted_work(const Job& job) noexcept;

/// For each job the first one of its shape (equal width, height, frames, steps and shift): one number per shape.
std::vector<std::size_t> shape_groups(const std::vector<Job>& jobs);

/// Waiting clips stand in lanes: how far each is on its way, lane 0 untouched, the highest nearest the end. Where one
/// worker takes clips from start to end, lane 0 is all there is.
/// Order: priority, then the highest lane, then shape groups (clips of one shape back to back; the shape with the
/// longest predicted clip first), then the list's order. A failed job is tried again when its error's kind allows,
/// later than all untried ones. Each operation takes O(log n).
class Queue {
 public:
  enum class State { waiting, running, done, failed };
  using Lanes = std::uint32_t;  ///< a set of lanes: bit i is lane i
  static constexpr Lanes all_lanes = ~Lanes{0};

  explicit Queue(const std::vector<Job>& jobs, int retries = 2,
                 const std::function<double(const Job&)>& work = predicted_work);
  /// The next clip to work on (an index into `jobs`) out of these lanes, now running; empty when none waits there.
  std::optional<std::size_t> next(Lanes lanes = all_lanes);
  /// What next() would give if `without` these clips; nothing changes by it.
  std::optional<std::size_t> peek(Lanes lanes, const std::set<std::size_t>& without = {}) const;
  bool waits_in(Lanes lanes) const { return best(lanes) != nullptr; }
  void wait_in(int lane, std::size_t job);  ///< running or waiting -> waiting there, in its old turn
  void done(std::size_t job);               ///< also for a clip found finished
  /// True when it will be tried again, from lane `again_from` (transient, resource and internal errors, at most
  /// `retries` times).
  bool failed(std::size_t job, Error::Kind kind, int again_from = 0);
  State state(std::size_t job) const { return entries_.at(job).state; }
  int attempts(std::size_t job) const { return entries_.at(job).attempts; }  ///< how often it failed
  std::size_t count(State state) const { return counts_[static_cast<std::size_t>(state)]; }
  const std::vector<std::size_t>& order() const { return order_; }

 private:
  struct Entry {
    State state = State::waiting;
    int lane = 0;
    int attempts = 0;
    bool again = false;  ///< waits for another try
    int priority = 0;
    std::size_t turn = 0;  ///< its place in order_; a failed one comes after all of them
  };
  /// Within a lane, what comes first is smaller.
  struct Place {
    bool again;
    int priority;
    std::size_t turn, job;
    bool operator<(const Place& other) const;
  };
  Place place(std::size_t job) const;
  const Place* best(Lanes lanes, const std::set<std::size_t>& without = {}) const;
  void set(std::size_t job, State state);

  std::vector<std::size_t> order_;  ///< all jobs in the order of work
  std::vector<Entry> entries_;
  std::array<std::set<Place>, 32> lanes_;
  Lanes filled_ = 0;  ///< the lanes where a clip waits
  std::array<std::size_t, 4> counts_{};
  std::size_t failures_ = 0;
  int retries_;
};

}  // namespace wf
