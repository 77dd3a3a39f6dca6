// tests/shapes_check/verdict.cpp: classifies colour, figure and motion of the shapes that were found.
#include "tests/shapes_check/verdict.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tests/shapes_check/blobs.hpp"

namespace wf::shapes {
namespace {

constexpr double pi = 3.14159265358979323846;
constexpr double least_spread = 0.05;  // RMS of a moving centre, in shorter sides; at least 0.1 in the world
constexpr double straightness = 0.75;  // least share of the spread explained by a line over time; 0.3 for a full circle
constexpr double least_sweep = 1.2 * pi;  // angle that circling sweeps, of 2 pi
constexpr double least_growth = 0.3;      // change of the radius over its mean; 0.8 in the world
constexpr double least_turn = pi / 4;     // angle of a rotation, of pi
constexpr double diagonal_ratio = 0.3;    // least ratio of the two directions; at least 0.57 in the world
constexpr double hollow = 0.5;            // largest coverage of a ring's core

using Path = std::vector<double>;  // one number per blob

Path path(const std::vector<Blob>& blobs, double (*value)(const Blob&)) {
  Path out;
  std::transform(blobs.begin(), blobs.end(), std::back_inserter(out), value);
  return out;
}

double mean(const Path& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double covariance(const Path& a, const Path& b) {
  const double mean_a = mean(a), mean_b = mean(b);
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - mean_a) * (b[i] - mean_b);
  return sum / static_cast<double>(a.size());
}

// The rise, from the first frame to the last, of the line fitted to the values over time.
double rise(const Path& time, const Path& values) {
  return covariance(time, values) / std::max(covariance(time, time), 1e-9);
}

// The sum of the angle differences, each wrapped to -pi..pi.
double sweep(const Path& angles) {
  double sum = 0;
  for (std::size_t i = 1; i < angles.size(); ++i) sum += std::remainder(angles[i] - angles[i - 1], 2 * pi);
  return sum;
}

// The mean magnitude of the moment of order n, weighted by area, since large blobs show more.
double moment(const std::vector<Blob>& blobs, int n) {
  double sum = 0, area = 0;
  for (const Blob& blob : blobs) {
    sum += blob.area * std::abs(blob.turns[n]);
    area += blob.area;
  }
  return sum / area;
}

// A figure's moments of order 3, 4 and 5 when it is drawn with soft edges.
struct Moments {
  Figure figure;
  std::array<double, 3> values;
};
constexpr std::array known_moments{Moments{Figure::circle, {0, 0, 0}}, Moments{Figure::triangle, {0.26, 0, 0}},
                                   Moments{Figure::square, {0, 0.13, 0}}, Moments{Figure::star, {0, 0, 0.24}}};

int corners(Figure figure) {
  return figure == Figure::triangle ? 3 : figure == Figure::square ? 4 : figure == Figure::star ? 5 : 0;
}

Figure figure_of(const std::vector<Blob>& blobs) {
  if (mean(path(blobs, [](const Blob& blob) { return blob.core; })) < hollow) return Figure::ring;
  const auto distance_to = [&](const Moments& known) {
    return std::hypot(moment(blobs, 3) - known.values[0], moment(blobs, 4) - known.values[1],
                      moment(blobs, 5) - known.values[2]);
  };
  return std::min_element(known_moments.begin(), known_moments.end(),
                          [&](const Moments& a, const Moments& b) { return distance_to(a) < distance_to(b); })
      ->figure;
}

Motion straight_motion(double dx, double dy) {
  const double across = std::abs(dx), along = std::abs(dy);
  if (std::min(across, along) > diagonal_ratio * std::max(across, along)) return Motion::diagonal;
  if (across > along) return dx > 0 ? Motion::right : Motion::left;
  return dy > 0 ? Motion::down : Motion::up;
}

// Classifies the motion of a shape whose centre does not move.
Motion motion_in_place(const std::vector<Blob>& blobs, const Path& time, Figure figure) {
  const Path radius = path(blobs, [](const Blob& blob) { return std::sqrt(blob.area); });
  const double growth = rise(time, radius) / mean(radius);
  if (std::abs(growth) > least_growth) return growth > 0 ? Motion::growing : Motion::shrinking;
  const int n = corners(figure);
  if (n == 0) return Motion::still;
  Path phases;
  for (const Blob& blob : blobs) phases.push_back(std::arg(blob.turns[n]));
  return std::abs(sweep(phases)) / n > least_turn ? Motion::rotating : Motion::still;
}

std::optional<Motion> motion_of(const std::vector<Blob>& blobs, Figure figure) {
  const Path time = path(blobs, [](const Blob& blob) { return blob.time; });
  const Path x = path(blobs, [](const Blob& blob) { return blob.side_x; });
  const Path y = path(blobs, [](const Blob& blob) { return blob.side_y; });
  const double spread = covariance(x, x) + covariance(y, y);
  if (spread < least_spread * least_spread) return motion_in_place(blobs, time, figure);
  const double on_line = (std::pow(rise(time, x), 2) + std::pow(rise(time, y), 2)) * covariance(time, time);
  if (on_line > straightness * spread) {
    return straight_motion(rise(time, path(blobs, [](const Blob& blob) { return blob.x; })),
                           rise(time, path(blobs, [](const Blob& blob) { return blob.y; })));
  }
  Path angles;
  for (std::size_t i = 0; i < x.size(); ++i) angles.push_back(std::atan2(y[i] - mean(y), x[i] - mean(x)));
  if (std::abs(sweep(angles)) > least_sweep) return Motion::circling;
  return std::nullopt;
}

}  // namespace

Verdict look(const Clip& raw) {
  const Clip clip = smoothed(raw);
  const Backdrop backdrop = fit_backdrop(clip);
  const std::vector<Followed> shapes = find_shapes(clip, backdrop);
  Verdict verdict{colours(backdrop), {}, {}, {}, {}};
  if (shapes.empty()) return verdict;
  const Followed& main = shapes[0];
  verdict.colour = main.colour;
  verdict.figure = figure_of(main.blobs);
  verdict.motion = motion_of(main.blobs, *verdict.figure);
  for (std::size_t i = 1; i < shapes.size(); ++i) verdict.others.push_back(shapes[i].colour);
  return verdict;
}

}  // namespace wf::shapes
