#include "base/watched_work.hpp"

#include <algorithm>
#include <mutex>
#include <utility>

namespace wf {
namespace {

std::mutex mutex;
std::vector<WatchedWork*> innermost_of_threads;  ///< guarded by `mutex`
std::atomic<std::uint64_t> last_number = 0;
thread_local WatchedWork* innermost = nullptr;

/// Puts `now` into the list in the place of `before`. Either may be null.
void replace(WatchedWork* before, WatchedWork* now) {
  const std::lock_guard lock(mutex);
  if (before) std::erase(innermost_of_threads, before);
  if (now) innermost_of_threads.push_back(now);
  innermost = now;
}

}  // namespace

WatchedWork::WatchedWork(std::string clip, std::string part)
    : number_(++last_number), clip_(std::move(clip)), part_(std::move(part)), outer_(innermost) {
  replace(outer_, this);
}

WatchedWork::~WatchedWork() {
  if (outer_) ++outer_->progress_;
  replace(this, outer_);
}

void mark_progress() {
  if (innermost) innermost->progress_.fetch_add(1, std::memory_order_relaxed);
}

std::vector<WorkUnderWay> work_under_way() {
  const std::lock_guard lock(mutex);
  std::vector<WorkUnderWay> all;
  for (const WatchedWork* const work : innermost_of_threads)
    all.push_back({work->number_, work->clip_, work->part_, work->progress_});
  return all;
}

}  // namespace wf
