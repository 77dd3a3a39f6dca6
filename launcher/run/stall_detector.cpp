#include "launcher/run/stall_detector.hpp"

#include <algorithm>

namespace wf {

std::string to_string(const WorkUnderWay& work) {
  return work.clip.empty() ? work.part : "in clip " + work.clip + ", stage " + work.part;
}

void StallDetector::note(int rank, const std::vector<WorkUnderWay>& work, double now) {
  reported_[rank] = now;
  std::erase_if(seen_, [&](const auto& entry) {
    const auto same = [&](const WorkUnderWay& other) { return other.number == entry.first.second; };
    return entry.first.first == rank && std::ranges::none_of(work, same);
  });
  for (const WorkUnderWay& each : work) {
    const auto [seen, is_new] = seen_.try_emplace({rank, each.number}, Seen{each, now});
    if (!is_new && seen->second.work.progress != each.progress) seen->second = {each, now};
  }
}

std::optional<Stall> StallDetector::find(double now, const Patience& patience) {
  const double suspended = suspension_.since_last_call(now);
  std::optional<Stall> worst;
  double most = 0;
  for (auto& [key, seen] : seen_) {
    seen.since += suspended;
    const double still = reported_[key.first] - seen.since, excess = still - patience(seen.work);
    if (excess <= most) continue;
    most = excess;
    worst = Stall{key.first, seen.work, still};
  }
  return worst;
}

}  // namespace wf
