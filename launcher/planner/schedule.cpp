#include "launcher/planner/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

namespace wf {
namespace {

/// Pieces that a group takes which is free from `free` on and stops before `level`.
std::int64_t pieces_until(double level, double free, double seconds) {
  return level <= free ? 0 : static_cast<std::int64_t>((level - free) / seconds);
}

/// Fills all groups to one level with as many whole pieces as there are; returns how many are left (some per group).
std::int64_t fill(std::vector<double>& ends, const Works& works) {
  double low = *std::ranges::min_element(ends);
  double high = low + works.seconds * (static_cast<double>(works.count) + 1);
  const auto taken = [&](double level) {
    std::int64_t sum = 0;
    for (const double end : ends) sum += pieces_until(level, end, works.seconds);
    return sum;
  };
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (taken(middle) <= works.count ? low : high) = middle;
  }
  std::int64_t left = works.count;
  for (double& end : ends) {
    const std::int64_t pieces = pieces_until(low, end, works.seconds);
    end += static_cast<double>(pieces) * works.seconds;
    left -= pieces;
  }
  return left;
}

/// One piece after the other to the group that is free first.
void deal(std::vector<double>& ends, std::int64_t pieces, double seconds) {
  std::ranges::make_heap(ends, std::greater<>());
  for (; pieces > 0; --pieces) {
    std::ranges::pop_heap(ends, std::greater<>());
    ends.back() += seconds;
    std::ranges::push_heap(ends, std::greater<>());
  }
}

}  // namespace

double makespan(std::vector<Works> works, int groups) {
  std::erase_if(works, [](const Works& w) { return w.count <= 0 || !(w.seconds > 0); });
  std::ranges::stable_sort(works, std::greater<>(), &Works::seconds);
  std::vector<double> ends(static_cast<std::size_t>(groups), 0.0);
  for (const Works& each : works) deal(ends, fill(ends, each), each.seconds);
  return *std::ranges::max_element(ends);
}

double total_seconds(const std::vector<Works>& works) {
  return std::accumulate(works.begin(), works.end(), 0.0,
                         [](double sum, const Works& w) { return sum + w.seconds * static_cast<double>(w.count); });
}

}  // namespace wf
