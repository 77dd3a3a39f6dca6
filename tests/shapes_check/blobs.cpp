// tests/shapes_check/blobs.cpp: computes how much of a pixel a shape covers from the pixel's colour, which lies between
// the background's and the shape's.
#include "tests/shapes_check/blobs.hpp"

#include <algorithm>
#include <cmath>

#include "tests/shapes_check/areas.hpp"

namespace wf::shapes {
namespace {

constexpr double off_line = 0.25;      // largest distance from the line between the two colours
constexpr double least_area = 0.0015;  // share of the frame
constexpr double core_radius = 0.35;

struct Centre {
  double x, y;  // pixels
};

Centre centre_of(const std::vector<double>& shares, int width) {
  double sum = 0, sum_x = 0, sum_y = 0;
  for (int i = 0; i < static_cast<int>(shares.size()); ++i) {
    sum += shares[i];
    sum_x += shares[i] * (i % width + 0.5);
    sum_y += shares[i] * (i / width + 0.5);
  }
  return {sum_x / sum, sum_y / sum};
}

Mask solid(const std::vector<double>& shares) {
  Mask mask(shares.size());
  std::transform(shares.begin(), shares.end(), mask.begin(), [](double share) { return share > 0.5; });
  return mask;
}

// The largest distance of a mask's pixels from its centre.
double reach(const Mask& mask, int width, Centre centre) {
  double most = 0;
  for (int i = 0; i < static_cast<int>(mask.size()); ++i) {
    if (mask[i]) most = std::max(most, std::hypot(i % width + 0.5 - centre.x, i / width + 0.5 - centre.y));
  }
  return most;
}

// The share of each pixel that a shape covers: 0 at the background's colour, 1 at the shape's, 0 in other shapes.
std::vector<double> coverage(const Clip& clip, int f, const Backdrop& backdrop, const std::vector<ColourArea>& areas,
                             const Colour shape) {
  std::vector<double> shares;
  for (int i = 0; i < clip.height * clip.width; ++i) {
    const Rgb& pixel = clip.frame(f)[i];
    const Rgb behind = backdrop.at(i, clip.height, clip.width);
    const double share = share_of(pixel, behind, rgb(shape));
    const bool is_other = std::any_of(
        areas.begin(), areas.end(), [&](const ColourArea& area) { return area.colour != shape && area.frames[f][i]; });
    shares.push_back(!is_other && distance(pixel, blend(behind, rgb(shape), share)) < off_line ? share : 0);
  }
  return shares;
}

// Keeps only the largest connected part, with its soft edge.
std::vector<double> largest_blob(std::vector<double> shares, int height, int width) {
  Mask kept(shares.size());
  std::vector<int> largest;
  for (std::vector<int>& part : parts(solid(shares), height, width)) {
    if (part.size() > largest.size()) largest = std::move(part);
  }
  for (const int i : largest) kept[i] = 1;
  kept = dilated(dilated(kept, height, width), height, width);
  for (std::size_t i = 0; i < shares.size(); ++i) shares[i] *= kept[i];
  return shares;
}

Blob measure(const std::vector<double>& shares, int height, int width, double time) {
  const Centre centre = centre_of(shares, width);
  const double side = std::min(height, width);
  Blob blob;
  blob.time = time;
  blob.x = centre.x / width;
  blob.y = centre.y / height;
  blob.side_x = centre.x / side;
  blob.side_y = centre.y / side;
  blob.reach = reach(solid(shares), width, centre);
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

std::vector<Blob> follow(const Clip& clip, const Backdrop& backdrop, const std::vector<ColourArea>& areas,
                         Colour colour) {
  std::vector<Blob> blobs;
  for (int f = 0; f < clip.frames; ++f) {
    const std::vector<double> shares =
        largest_blob(coverage(clip, f, backdrop, areas, colour), clip.height, clip.width);
    const Blob blob = measure(shares, clip.height, clip.width, clip.frames > 1 ? f / (clip.frames - 1.0) : 0);
    if (blob.area >= least_area * clip.height * clip.width) blobs.push_back(blob);
  }
  return blobs;
}

double mean_reach(const std::vector<Blob>& blobs) {
  double sum = 0;
  for (const Blob& blob : blobs) sum += blob.reach;
  return sum / static_cast<double>(blobs.size());
}

}  // namespace

std::vector<Followed> find_shapes(const Clip& clip, const Backdrop& backdrop) {
  const std::vector<ColourArea> areas = find_areas(clip, backdrop);
  std::vector<Followed> shapes;
  for (const ColourArea& area : areas) {
    Followed shape{area.colour, follow(clip, backdrop, areas, area.colour)};
    if (2 * static_cast<int>(shape.blobs.size()) >= clip.frames) shapes.push_back(std::move(shape));
  }
  std::sort(shapes.begin(), shapes.end(),
            [](const Followed& a, const Followed& b) { return mean_reach(a.blobs) > mean_reach(b.blobs); });
  return shapes;
}

}  // namespace wf::shapes
