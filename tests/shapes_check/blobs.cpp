// tests/shapes_check/blobs.cpp: a pixel belongs to a shape by its colour's place between background and shape.
#include "tests/shapes_check/blobs.hpp"

#include <algorithm>
#include <cmath>

namespace wf::shapes {
namespace {

constexpr double foreground = 0.17;    // least distance to the background
constexpr double off_line = 0.25;      // farthest from the line between background and shape
constexpr double least_area = 0.0015;  // of the frame, of a shape's inner pixels
constexpr double least_inner = 0.35;   // of a shape's pixels, that have it on all sides
constexpr double core_radius = 0.35;

double half_place(int i, int count) { return 2 * (i + 0.5) / count - 1; }

// For each pixel of a frame the nearest shape colour; -1: background.
std::vector<int> label(const Clip& clip, int f, const Backdrop& backdrop) {
  std::vector<int> labels;
  for (int y = 0; y < clip.height; ++y) {
    for (int x = 0; x < clip.width; ++x) {
      const Rgb& pixel = clip.frame(f)[y * clip.width + x];
      const Rgb behind = backdrop.at(half_place(x, clip.width), half_place(y, clip.height));
      const bool shows = distance(pixel, behind) > foreground;
      labels.push_back(shows ? static_cast<int>(nearest_colour(pixel, shape_colour_count)) : -1);
    }
  }
  return labels;
}

struct Centre {
  double x, y;  // pixels
};

template <class Weight>
Centre centre_of(int height, int width, Weight&& weight) {
  double sum = 0, sum_x = 0, sum_y = 0;
  for (int i = 0; i < height * width; ++i) {
    const double w = weight(i);
    sum += w;
    sum_x += w * (i % width + 0.5);
    sum_y += w * (i / width + 0.5);
  }
  return {sum_x / sum, sum_y / sum};
}

// The largest distance of a mask's pixels to its centre.
double reach(const Mask& mask, int height, int width, Centre centre) {
  double most = 0;
  for (int i = 0; i < height * width; ++i) {
    if (mask[i]) most = std::max(most, std::hypot(i % width + 0.5 - centre.x, i / width + 0.5 - centre.y));
  }
  return most;
}

// How much of each pixel the shape covers: 0 is the background's colour, 1 the shape's.
std::vector<double> coverage(const Clip& clip, int f, const Backdrop& backdrop, const Rgb& colour) {
  std::vector<double> shares;
  for (int y = 0; y < clip.height; ++y) {
    for (int x = 0; x < clip.width; ++x) {
      const Rgb& pixel = clip.frame(f)[y * clip.width + x];
      const Rgb behind = backdrop.at(half_place(x, clip.width), half_place(y, clip.height));
      double along = 0, whole = 0;
      for (int c = 0; c < 3; ++c) {
        along += (pixel[c] - behind[c]) * (colour[c] - behind[c]);
        whole += (colour[c] - behind[c]) * (colour[c] - behind[c]);
      }
      const double share = std::clamp(along / std::max(whole, 1e-6), 0.0, 1.0);
      Rgb mixed;
      for (int c = 0; c < 3; ++c) mixed[c] = static_cast<float>(behind[c] + share * (colour[c] - behind[c]));
      shares.push_back(distance(pixel, mixed) < off_line ? share : 0);
    }
  }
  return shares;
}

// Only what belongs to the largest part of it.
std::vector<double> largest_blob(std::vector<double> shares, int height, int width) {
  Mask mask(shares.size());
  std::transform(shares.begin(), shares.end(), mask.begin(), [](double share) { return share > 0.5; });
  mask = dilated(dilated(largest_part(std::move(mask), height, width), height, width), height, width);
  for (std::size_t i = 0; i < shares.size(); ++i) shares[i] *= mask[i];
  return shares;
}

Blob measure(const std::vector<double>& shares, int height, int width, double time) {
  const Centre centre = centre_of(height, width, [&](int i) { return shares[i]; });
  Mask solid(shares.size());
  std::transform(shares.begin(), shares.end(), solid.begin(), [](double share) { return share > 0.5; });
  const double side = std::min(height, width);
  Blob blob{time,
            centre.x / width,
            centre.y / height,
            centre.x / side,
            centre.y / side,
            0,
            reach(solid, height, width, centre),
            0,
            {}};
  double core_pixels = 0;
  for (int i = 0; i < height * width; ++i) {
    const double x = i % width + 0.5 - centre.x, y = i / width + 0.5 - centre.y;
    if (std::hypot(x, y) <= core_radius * blob.reach) blob.core += shares[i], ++core_pixels;
    blob.area += shares[i];
    if (shares[i] == 0) continue;
    for (std::size_t n = 0; n < blob.turns.size(); ++n)
      blob.turns[n] += std::polar(shares[i], static_cast<double>(n) * std::atan2(y, x));
  }
  blob.core /= std::max(1.0, core_pixels);
  for (std::complex<double>& turn : blob.turns) turn /= blob.area;
  return blob;
}

std::vector<Blob> follow(const Clip& clip, const Backdrop& backdrop, Colour colour) {
  std::vector<Blob> blobs;
  for (int f = 0; f < clip.frames; ++f) {
    const std::vector<double> shares = largest_blob(coverage(clip, f, backdrop, rgb(colour)), clip.height, clip.width);
    const Blob blob = measure(shares, clip.height, clip.width, clip.frames > 1 ? f / (clip.frames - 1.0) : 0);
    if (blob.area >= least_area * clip.height * clip.width) blobs.push_back(blob);
  }
  return blobs;
}

// Colours that lie in areas. Where two colours meet, a third one may be their blend: a seam, which has no inside.
std::vector<Colour> shape_colours(const Clip& clip, const Backdrop& backdrop) {
  std::array<double, shape_colour_count> all{}, inner{};
  for (int f = 0; f < clip.frames; ++f) {
    const std::vector<int> labels = label(clip, f, backdrop);
    for (int c = 0; c < shape_colour_count; ++c) {
      Mask mask(labels.size());
      std::transform(labels.begin(), labels.end(), mask.begin(), [&](int label) { return label == c; });
      all[c] += static_cast<double>(std::count(mask.begin(), mask.end(), 1));
      mask = eroded(mask, clip.height, clip.width);
      inner[c] += static_cast<double>(std::count(mask.begin(), mask.end(), 1));
    }
  }
  std::vector<Colour> colours;
  for (int c = 0; c < shape_colour_count; ++c) {
    const bool large = inner[c] >= least_area * clip.frames * clip.height * clip.width;
    if (large && inner[c] >= least_inner * all[c]) colours.push_back(static_cast<Colour>(c));
  }
  return colours;
}

double mean_reach(const std::vector<Blob>& blobs) {
  double sum = 0;
  for (const Blob& blob : blobs) sum += blob.reach;
  return sum / static_cast<double>(blobs.size());
}

}  // namespace

std::vector<Followed> find_shapes(const Clip& clip, const Backdrop& backdrop) {
  std::vector<Followed> shapes;
  for (const Colour colour : shape_colours(clip, backdrop)) {
    Followed shape{colour, follow(clip, backdrop, colour)};
    if (2 * static_cast<int>(shape.blobs.size()) >= clip.frames) shapes.push_back(std::move(shape));
  }
  std::sort(shapes.begin(), shapes.end(),
            [](const Followed& a, const Followed& b) { return mean_reach(a.blobs) > mean_reach(b.blobs); });
  return shapes;
}

}  // namespace wf::shapes
