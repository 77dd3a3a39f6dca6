// cluster/failure_detector.hpp: which ranks have sent no heartbeat for longer than a timeout. Pure: the caller passes
// the time in.
#pragma once

#include <map>
#include <vector>

#include "base/suspension.hpp"

namespace wf {

/// Tells which of the watched ranks are lost. A live rank sends a heartbeat, or any other message, every second. All
/// times are seconds of one clock. For one thread.
class FailureDetector {
 public:
  /// A rank is lost once nothing has come from it for longer than `timeout` seconds.
  explicit FailureDetector(double timeout) : timeout_(timeout) {}

  void watch(int rank, double now) { last_heard_[rank] = now; }
  /// Ends the watch over a rank that finishes in good order.
  void forget(int rank) { last_heard_.erase(rank); }
  bool watches(int rank) const { return last_heard_.contains(rank); }
  /// Notes a sign of life. A rank that is not watched is ignored.
  void heard(int rank, double now);

  /// The watched ranks that have been silent for longer than the timeout, in ascending order. Call it several times a
  /// second: a gap of more than a second between two calls means that this process itself was suspended, perhaps with
  /// its whole node, and every rank is granted that time.
  std::vector<int> timed_out(double now);

 private:
  double timeout_;
  Suspension suspension_;
  std::map<int, double> last_heard_;
};

}  // namespace wf
