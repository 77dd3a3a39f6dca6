// tests/shapes_check/backdrop.cpp: iteratively reweighted least squares, with less weight for outliers.
#include "tests/shapes_check/backdrop.hpp"

#include <algorithm>

namespace wf::shapes {
namespace {

constexpr int border = 4;  // pixels
constexpr int rounds = 12;
constexpr double usual_error = 0.08;   // a pixel at twice this error has a fifth of the weight
constexpr double least_change = 0.22;  // least distance between the ends of a gradient

struct Sample {
  double x, y;  // -1..1
  Rgb colour;
};

std::vector<Sample> border_samples(const Clip& clip) {
  std::vector<Sample> samples;
  for (int f = 0; f < clip.frames; ++f) {
    for (int y = 0; y < clip.height; ++y) {
      for (int x = 0; x < clip.width; ++x) {
        const int inwards = std::min({x, y, clip.width - 1 - x, clip.height - 1 - y});
        if (inwards >= border) continue;
        samples.push_back(
            {2 * (x + 0.5) / clip.width - 1, 2 * (y + 0.5) / clip.height - 1, clip.frame(f)[y * clip.width + x]});
      }
    }
  }
  return samples;
}

using Sums =
    std::array<std::array<double, 6>, 3>;  // three equations: coefficients of the unknowns, then three right-hand sides

// Gauss-Jordan elimination without pivoting, since the matrix of the normal equations is positive definite.
void solve(Sums& m) {
  for (int i = 0; i < 3; ++i) {
    const double pivot = std::max(m[i][i], 1e-9);
    for (double& value : m[i]) value /= pivot;
    for (int k = 0; k < 3; ++k) {
      const double factor = m[k][i];
      if (k == i) continue;
      for (int j = 0; j < 6; ++j) m[k][j] -= factor * m[i][j];
    }
  }
}

Backdrop fit(const std::vector<Sample>& samples, const Backdrop& last, bool weighted) {
  Sums sums{};
  for (const Sample& s : samples) {
    const double error = distance(s.colour, last.at(s.x, s.y)) / usual_error;
    const double weight = weighted ? 1 / (1 + error * error) : 1;
    const std::array<double, 6> row{1, s.x, s.y, s.colour[0], s.colour[1], s.colour[2]};
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 6; ++j) sums[i][j] += weight * row[i] * row[j];
    }
  }
  solve(sums);
  Backdrop out;
  for (int c = 0; c < 3; ++c) {
    out.centre[c] = static_cast<float>(sums[0][3 + c]);
    out.across[c] = static_cast<float>(sums[1][3 + c]);
    out.along[c] = static_cast<float>(sums[2][3 + c]);
  }
  return out;
}

}  // namespace

Rgb Backdrop::at(double x, double y) const {
  Rgb out;
  for (int c = 0; c < 3; ++c) out[c] = static_cast<float>(centre[c] + across[c] * x + along[c] * y);
  return out;
}

Rgb Backdrop::at(int pixel, int height, int width) const {
  return at(2 * (pixel % width + 0.5) / width - 1, 2 * (pixel / width + 0.5) / height - 1);
}

Backdrop fit_backdrop(const Clip& clip) {
  const std::vector<Sample> samples = border_samples(clip);
  Backdrop backdrop = fit(samples, {}, false);
  for (int round = 0; round < rounds; ++round) backdrop = fit(samples, backdrop, true);
  return backdrop;
}

std::vector<Colour> colours(const Backdrop& backdrop) {
  const Rgb left = backdrop.at(-1, 0), right = backdrop.at(1, 0);
  const Colour from = nearest_colour(left, colour_count), to = nearest_colour(right, colour_count);
  if (from == to || distance(left, right) < least_change) return {nearest_colour(backdrop.at(0, 0), colour_count)};
  return {from, to};
}

}  // namespace wf::shapes
