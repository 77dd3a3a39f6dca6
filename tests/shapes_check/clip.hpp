// tests/shapes_check/clip.hpp: a clip in plain memory, and which of its pixels belong together.
#pragma once

#include <array>
#include <vector>

#include "cluster/files.hpp"
#include "models/shapes/world/scene.hpp"

namespace wf::shapes {

using Rgb = std::array<float, 3>;  ///< sRGB, 0..1; beyond that where a decoder overshoots

struct Clip {
  int frames = 0, height = 0, width = 0;
  std::vector<Rgb> pixels;  ///< frame by frame, rows from the top

  const Rgb* frame(int f) const { return pixels.data() + static_cast<std::size_t>(f) * height * width; }
};

/// Reads a video file. Throws input when it is missing, broken, empty, or not readable in this build (read_video).
Clip read_clip(const Path& file);

/// The video files of a folder (.mp4, .mkv, .y4m).
std::vector<Path> clips_in(const Path& folder);

/// Each pixel as the mean of the 3 x 3 around it (fewer at the edges): noise counts a third.
Clip smoothed(const Clip& clip);

double distance(const Rgb& a, const Rgb& b);

/// Where a colour lies on the way from one colour (0) to another (1), at its nearest point; cut to 0..1.
double share_of(const Rgb& colour, const Rgb& from, const Rgb& to);
/// The colour at that place.
Rgb blend(const Rgb& from, const Rgb& to, double share);

/// The nearest of the first `count` colours.
Colour nearest_colour(const Rgb& colour, int count);

/// A byte a pixel of one frame; not 0: it belongs to what is looked for.
using Mask = std::vector<unsigned char>;

/// The sets of pixels that are connected by their sides, each a list of places in the mask.
std::vector<std::vector<int>> parts(Mask mask, int height, int width);

/// Takes away (adds) what is within one pixel, by a side, of the mask's outside (inside). The frame's edge is no
/// outside.
Mask eroded(const Mask& mask, int height, int width);
Mask dilated(const Mask& mask, int height, int width);

}  // namespace wf::shapes
