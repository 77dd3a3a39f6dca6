// base/suspension.hpp: notices that this process was suspended, perhaps with its whole node, by a gap between two
// calls.
#pragma once

namespace wf {

/// For a watch over others, which must be granted the time in which nobody could hear them. For one thread.
class Suspension {
 public:
  /// Seconds for which this process was suspended since the last call, which is to come several times a second: the gap
  /// between the two if it exceeds a second, else 0. `now` is in seconds of any clock that never goes back.
  double since_last_call(double now) {
    const double gap = last_call_ < 0 ? 0 : now - last_call_;
    last_call_ = now;
    return gap > 1 ? gap : 0;
  }

 private:
  double last_call_ = -1;  ///< negative before the first call
};

}  // namespace wf
