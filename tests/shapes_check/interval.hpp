// tests/shapes_check/interval.hpp: 95 % confidence intervals of shares and of their differences, from counts of clips.
#pragma once

namespace wf::shapes {

/// From the lowest to the highest value that the counts leave plausible.
struct Interval {
  double low = 0, high = 0;
};

/// The Wilson score interval of the share `right / all`, within 0..1. Shares here are near 1 and come from a few
/// hundred clips, where the usual p +- 1.96 sqrt(p (1 - p) / n) reaches beyond 1, and has no width at all if every clip
/// is right. Requires 0 <= right <= all and all > 0. Source: interval.cpp.
Interval share_interval(int right, int all);

/// How many prompts are shown rightly in which of two folders of clips.
struct Pairs {
  int both = 0, only_here = 0, only_there = 0, neither = 0;

  void add(bool is_right_here, bool is_right_there) {
    if (is_right_here) ++(is_right_there ? both : only_here);
    if (!is_right_here) ++(is_right_there ? only_there : neither);
  }
  int all() const { return both + only_here + only_there + neither; }
  int here() const { return both + only_here; }
  int there() const { return both + only_there; }
  /// The share here minus the share there, -1..1. Requires all() > 0.
  double difference() const { return static_cast<double>(only_here - only_there) / all(); }
};

/// The interval of difference(), within -1..1: Newcombe's square-and-add interval for paired shares. It joins the
/// Wilson intervals of both shares and takes into account that a prompt tends to be right in both folders or in
/// neither, so it is narrower than that of different prompts; unlike Wald's, it keeps a width if no clip changed.
/// Requires all() > 0. Source: interval.cpp.
Interval difference_interval(const Pairs& pairs);

}  // namespace wf::shapes
