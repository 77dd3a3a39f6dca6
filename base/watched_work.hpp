// base/watched_work.hpp: what the threads of this process are working on, and whether it moves. A thread that hangs, in
// a driver or in a read that never returns, cannot say so itself: another one finds that its work no longer moves.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace wf {

/// A piece of work as another thread, or another rank, sees it.
struct WorkUnderWay {
  std::uint64_t number = 0;    ///< tells this piece from all others of the process
  std::string clip;            ///< name of the clip that it belongs to; "" for none
  std::string part;            ///< "high", "write", "load the low-noise expert"
  std::uint64_t progress = 0;  ///< number of calls of mark_progress()
  bool operator==(const WorkUnderWay&) const = default;
};

/// The calling thread works on this until the object is destroyed, on the same thread. It hides the work around it,
/// which counts as having moved when the inner work ends.
class WatchedWork {
 public:
  WatchedWork(std::string clip, std::string part);
  ~WatchedWork();
  WatchedWork(const WatchedWork&) = delete;
  WatchedWork& operator=(const WatchedWork&) = delete;

 private:
  friend void mark_progress();
  friend std::vector<WorkUnderWay> work_under_way();

  const std::uint64_t number_;
  const std::string clip_, part_;
  std::atomic<std::uint64_t> progress_ = 0;
  WatchedWork* const outer_;
};

/// The calling thread's innermost work has moved: a step, a frame, a chunk of a file. Does nothing without work.
void mark_progress();

/// The innermost work of each thread that has any. May be called by any thread.
std::vector<WorkUnderWay> work_under_way();

}  // namespace wf
