// launcher/run/stall_detector.hpp: which ranks live but make no progress. Pure: the caller passes the time in.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/suspension.hpp"
#include "base/watched_work.hpp"

namespace wf {

/// A rank whose agent answers while a thread of it has not moved for longer than the patience with its work.
struct Stall {
  int rank = 0;
  WorkUnderWay work;
  double seconds = 0;  ///< since the work moved
};
/// "in clip 0003-kite, stage high", "load the low-noise expert".
std::string to_string(const WorkUnderWay& work);

/// Seconds that a piece of work may take without moving.
using Patience = std::function<double(const WorkUnderWay& work)>;

/// Compares what ranks report of their work with what they reported before. All times are seconds of one clock. For one
/// thread.
class StallDetector {
 public:
  /// All work of the rank; what was reported earlier and is no longer there has ended.
  void note(int rank, const std::vector<WorkUnderWay>& work, double now);
  /// Ends the watch over a rank.
  void forget(int rank) { note(rank, {}, 0); }
  /// The work that had exceeded the patience by most when its rank reported last: a rank that reports no more is not
  /// hung but lost, which is for a FailureDetector to say. Call it several times a second: a gap of more than a second
  /// between two calls means that this process itself was suspended, and all work is granted that time.
  std::optional<Stall> find(double now, const Patience& patience);

 private:
  struct Seen {
    WorkUnderWay work;
    double since = 0;  ///< when it moved last
  };
  std::map<std::pair<int, std::uint64_t>, Seen> seen_;  ///< by rank and number of the work
  std::map<int, double> reported_;                      ///< when each rank reported last
  Suspension suspension_;
};

}  // namespace wf
