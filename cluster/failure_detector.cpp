#include "cluster/failure_detector.hpp"

namespace wf {

void FailureDetector::heard(int rank, double now) {
  if (const auto watched = last_heard_.find(rank); watched != last_heard_.end()) watched->second = now;
}

std::vector<int> FailureDetector::timed_out(double now) {
  const double suspended = suspension_.since_last_call(now);
  std::vector<int> lost;
  for (auto& [rank, last] : last_heard_) {
    last += suspended;
    if (now - last > timeout_) lost.push_back(rank);
  }
  return lost;
}

}  // namespace wf
