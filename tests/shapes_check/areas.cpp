// tests/shapes_check/areas.cpp: labels pixels by their nearest colour, finds connected parts, and removes seams.
#include "tests/shapes_check/areas.hpp"

#include <algorithm>

namespace wf::shapes {
namespace {

constexpr double foreground = 0.17;      // least distance of a pixel from the background's colour
constexpr double least_contrast = 0.25;  // of a shape's colour to the background; at least 0.3 in the world
constexpr double least_area = 0.0015;    // least share of inner pixels in the frame
constexpr double least_inner = 0.3;      // least share of a shape's pixels that are surrounded by its pixels
constexpr double blend_error = 0.35;  // largest distance of a seam's colour from the line between the blended colours
constexpr int seam_width = 3;         // pixels

using Labels = std::vector<int>;  // nearest shape colour of each pixel of a frame; -1: background

Labels label(const Clip& clip, int f, const Backdrop& backdrop) {
  Labels labels;
  for (int i = 0; i < clip.height * clip.width; ++i) {
    const Rgb& pixel = clip.frame(f)[i];
    const double from_backdrop = distance(pixel, backdrop.at(i, clip.height, clip.width));
    labels.push_back(-1);
    if (from_backdrop <= foreground) continue;
    const Colour colour = nearest_colour(pixel, shape_colour_count);
    if (distance(pixel, rgb(colour)) < from_backdrop) labels.back() = static_cast<int>(colour);
  }
  return labels;
}

// True if `test` holds for some colour of the background, sampled from left to right.
template <class Test>
bool anywhere(const Backdrop& backdrop, Test&& test) {
  constexpr int places = 9;
  for (int i = 0; i < places; ++i) {
    if (test(backdrop.at(2.0 * i / (places - 1) - 1, 0))) return true;
  }
  return false;
}

bool is_of_backdrop(Colour colour, const Backdrop& backdrop) {
  return anywhere(backdrop, [&](const Rgb& behind) { return distance(rgb(colour), behind) < least_contrast; });
}

bool is_blend(Colour colour, Colour shape, const Backdrop& backdrop) {
  return anywhere(backdrop, [&](const Rgb& behind) {
    const double share = share_of(rgb(colour), behind, rgb(shape));
    return share > 0.15 && share < 0.9 && distance(rgb(colour), blend(behind, rgb(shape), share)) < blend_error;
  });
}

int count(const Mask& mask) { return static_cast<int>(std::count(mask.begin(), mask.end(), 1)); }

// Numbers of pixels, and of inner pixels, over all frames.
struct Extent {
  double all = 0, inner = 0;
};

// Returns the part of a frame's mask with most inner pixels, and adds its size to `extent`.
Mask main_part(const Mask& mask, const Clip& clip, Extent& extent) {
  const Mask inner = eroded(mask, clip.height, clip.width);
  std::vector<int> best;
  int most = 0;
  for (std::vector<int>& part : parts(mask, clip.height, clip.width)) {
    const auto inside = std::count_if(part.begin(), part.end(), [&](int i) { return inner[i] != 0; });
    if (inside > most) best = std::move(part), most = static_cast<int>(inside);
  }
  extent.all += static_cast<double>(best.size());
  extent.inner += most;
  Mask out(mask.size());
  for (const int i : best) out[i] = 1;
  return out;
}

// True if most of `area` lies at the edge of `shape`.
bool lies_along(const ColourArea& area, const ColourArea& shape, const Clip& clip) {
  int all = 0, along = 0;
  for (int f = 0; f < clip.frames; ++f) {
    Mask near = shape.frames[f];
    for (int i = 0; i < seam_width; ++i) near = dilated(near, clip.height, clip.width);
    Mask both = area.frames[f];
    all += count(both);
    for (std::size_t i = 0; i < both.size(); ++i) both[i] &= near[i];
    along += count(both);
  }
  return 2 * along > all;
}

}  // namespace

std::vector<ColourArea> find_areas(const Clip& clip, const Backdrop& backdrop) {
  std::vector<Labels> labels;
  for (int f = 0; f < clip.frames; ++f) labels.push_back(label(clip, f, backdrop));
  std::vector<ColourArea> areas;
  for (int c = 0; c < shape_colour_count; ++c) {
    ColourArea area{static_cast<Colour>(c), {}};
    if (is_of_backdrop(area.colour, backdrop)) continue;
    Extent extent;
    for (const Labels& frame : labels) {
      Mask mask(frame.size());
      std::transform(frame.begin(), frame.end(), mask.begin(), [&](int label) { return label == c; });
      area.frames.push_back(main_part(mask, clip, extent));
    }
    const double least = least_area * clip.frames * clip.height * clip.width;
    if (extent.inner >= least && extent.inner >= least_inner * extent.all) areas.push_back(std::move(area));
  }
  std::vector<ColourArea> out;
  for (const ColourArea& area : areas) {
    const bool is_seam = std::any_of(areas.begin(), areas.end(), [&](const ColourArea& shape) {
      return shape.colour != area.colour && is_blend(area.colour, shape.colour, backdrop) &&
             lies_along(area, shape, clip);
    });
    if (!is_seam) out.push_back(area);
  }
  return out;
}

}  // namespace wf::shapes
