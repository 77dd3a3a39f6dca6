// tests/shapes_check/clip.hpp: a clip in plain memory, with colour and mask operations.
#pragma once

#include <array>
#include <vector>

#include "base/files.hpp"
#include "models/shapes/world/scene.hpp"

namespace wf::shapes {

using Rgb = std::array<float, 3>;  ///< sRGB, 0..1, or slightly beyond if a decoder overshoots.

/// A decoded video.
struct Clip {
  int frames = 0, height = 0, width = 0;
  std::vector<Rgb> pixels;  ///< [frames, height, width], rows from the top.

  const Rgb* frame(int f) const { return pixels.data() + static_cast<std::size_t>(f) * height * width; }
};

/// Reads a video file. Throws Error(input) if it is missing, broken, empty, or not readable in this build (read_video).
Clip read_clip(const Path& file);

/// Returns the video files of a folder (.mp4, .mkv, .y4m), unsorted.
std::vector<Path> clips_in(const Path& folder);

/// Replaces each pixel by the mean of the 3 x 3 around it (fewer at the edges), which divides noise by three.
Clip smoothed(const Clip& clip);

/// The Euclidean distance.
double distance(const Rgb& a, const Rgb& b);

/// The position of the nearest point to `colour` on the line from one colour (0) to another (1), clamped to 0..1.
double share_of(const Rgb& colour, const Rgb& from, const Rgb& to);
/// The colour at the position `share` on that line.
Rgb blend(const Rgb& from, const Rgb& to, double share);

/// The nearest of the first `count` values of Colour.
Colour nearest_colour(const Rgb& colour, int count);

/// [height, width]: one byte per pixel of a frame, non-zero for the pixels in the set.
using Mask = std::vector<unsigned char>;

/// Returns the 4-connected components, each as a list of indices into the mask.
std::vector<std::vector<int>> parts(Mask mask, int height, int width);

/// Removes (adds) the pixels with a side in common with the outside (inside) of the mask. The frame's edge does not
/// count as outside.
Mask eroded(const Mask& mask, int height, int width);
Mask dilated(const Mask& mask, int height, int width);

}  // namespace wf::shapes
