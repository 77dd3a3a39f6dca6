// tests/shapes_check/interval.cpp: Wilson's interval, and Newcombe's that is made of two of them.
// Sources: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927, and
// R. G. Newcombe, "Improved confidence intervals for the difference between binomial proportions based on paired data",
// Statistics in Medicine 17, 1998, pp. 2635-2650, method 10.
#include "tests/shapes_check/interval.hpp"

#include <algorithm>
#include <cmath>

#include "base/check.hpp"

namespace wf::shapes {
namespace {

constexpr double z = 1.959963984540054;  // 95 % of a normal distribution lie within z standard deviations of its mean

// The correlation (phi) between being right here and being right there, -1..1. Newcombe's continuity correction reduces
// a positive one, so that few clips do not make the interval too narrow.
double correlation(const Pairs& pairs) {
  const double all = pairs.all(), here = pairs.here(), there = pairs.there();
  const double spread = here * (all - here) * there * (all - there);
  if (spread == 0) return 0;  // every clip of one folder is right, or none is
  double agreement =
      static_cast<double>(pairs.both) * pairs.neither - static_cast<double>(pairs.only_here) * pairs.only_there;
  if (agreement > 0) agreement = std::max(agreement - all / 2, 0.0);
  return agreement / std::sqrt(spread);
}

}  // namespace

Interval share_interval(int right, int all) {
  WF_CHECK(all > 0 && 0 <= right && right <= all);
  const double n = all, p = right / n;
  const double centre = p + z * z / (2 * n), reach = z * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n));
  const double scale = 1 + z * z / n;
  return {std::max((centre - reach) / scale, 0.0), std::min((centre + reach) / scale, 1.0)};
}

Interval difference_interval(const Pairs& pairs) {
  const int all = pairs.all();
  const Interval here = share_interval(pairs.here(), all), there = share_interval(pairs.there(), all);
  const double of_here = static_cast<double>(pairs.here()) / all, of_there = static_cast<double>(pairs.there()) / all;
  const auto joined = [phi = correlation(pairs)](double a, double b) {
    return std::sqrt(a * a - 2 * phi * a * b + b * b);
  };
  return {pairs.difference() - joined(of_here - here.low, there.high - of_there),
          pairs.difference() + joined(of_there - there.low, here.high - of_here)};
}

}  // namespace wf::shapes
