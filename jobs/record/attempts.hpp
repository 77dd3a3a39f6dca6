// jobs/record/attempts.hpp: the attempts at clips that are under way, and how many each clip has had.
#pragma once

#include <cstddef>
#include <unordered_map>
#include <vector>

namespace wf {

/// From the first time a clip is given to a group until it is done, fails, is stopped, or is lost with its rank. A clip
/// that passes from group to group is one attempt.
struct Attempt {
  std::size_t clip = 0;
  int number = 0;    ///< Of this clip in this run, from 1.
  int rank = -1;     ///< The leader of the group that has or had it last.
  double began = 0;  ///< As the caller's clock said.
};

/// Clips are indices into the jobs. Not thread-safe.
class Attempts {
 public:
  /// The group of `rank` got the clip: a new attempt, unless one is under way.
  void assigned(std::size_t clip, int rank, double now);
  /// The clip waits for another group.
  void handed_over(std::size_t clip);
  /// The clip's attempt has ended. One of number 0 if none was under way.
  Attempt end(std::size_t clip);
  /// Ends the attempts that were at work on the rank, in the order of the clips. A clip that only waited there, as a
  /// kept state, goes on from an earlier state in the same attempt.
  std::vector<Attempt> lost(int rank);
  /// The last attempt at the clip, which may have ended; one of number 0 if there was none.
  Attempt last(std::size_t clip) const;
  /// How many attempts are under way.
  std::size_t under_way() const { return under_way_.size(); }

 private:
  std::unordered_map<std::size_t, Attempt> last_;
  std::unordered_map<std::size_t, bool> under_way_;  ///< False while the clip waits for another group.
};

}  // namespace wf
