#include "launcher/farm/watch.hpp"

namespace wf {

constexpr double standstill = 1;  ///< seconds between two questions

void Watch::heard(int rank, double now) {
  if (const auto watched = last_.find(rank); watched != last_.end()) watched->second = now;
}

std::vector<int> Watch::silent(double now) {
  const double stood = asked_ < 0 ? 0 : now - asked_;
  asked_ = now;
  std::vector<int> silent;
  for (auto& [rank, last] : last_) {
    if (stood > standstill) last += stood;
    if (now - last > silence_) silent.push_back(rank);
  }
  return silent;
}

}  // namespace wf
