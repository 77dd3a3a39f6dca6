#include "cluster/failure_detector.hpp"

namespace wf {

/// Seconds between two calls of timed_out() from which on this process counts as suspended.
constexpr double suspension = 1;

void FailureDetector::heard(int rank, double now) {
  if (const auto watched = last_heard_.find(rank); watched != last_heard_.end()) watched->second = now;
}

std::vector<int> FailureDetector::timed_out(double now) {
  const double gap = last_call_ < 0 ? 0 : now - last_call_;
  last_call_ = now;
  std::vector<int> lost;
  for (auto& [rank, last] : last_heard_) {
    if (gap > suspension) last += gap;
    if (now - last > timeout_) lost.push_back(rank);
  }
  return lost;
}

}  // namespace wf
