// launcher/farm/watch.hpp: who has not been heard of for too long. Pure: time is passed in.
#pragma once

#include <map>
#include <vector>

namespace wf {

/// Watches some ranks, each of which is heard of every second while it lives. All times in seconds of one clock.
class Watch {
 public:
  explicit Watch(double silence) : silence_(silence) {}

  void begin(int rank, double now) { last_[rank] = now; }
  void end(int rank) { last_.erase(rank); }  ///< it will not be heard of again, and that is right
  void heard(int rank, double now);

  /// The ranks that were silent for longer than allowed. To be asked several times a second: where that did not happen
  /// for a second, this process itself stood still, perhaps with the whole machine, and everyone gets the time back.
  std::vector<int> silent(double now);

 private:
  double silence_;
  double asked_ = -1;
  std::map<int, double> last_;  ///< when each was heard of
};

}  // namespace wf
