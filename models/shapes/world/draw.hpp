// models/shapes/world/draw.hpp: draws scenes as frames, many at once, on any device.
#pragma once

#include <ATen/core/Tensor.h>

#include <span>

#include "models/shapes/world/scene.hpp"

namespace wf::shapes {

/// Frames, and their size in pixels.
struct ClipSize {
  int frames = 17, height = 96, width = 96;
};

/// Draws one or more scenes as the VAE takes them: [scenes, 3, frames, height, width] f32 in [-1, 1] (sRGB 0 is -1, 1
/// is 1), contiguous, on `device`. Frame f is at the time f / (frames - 1); a single frame is at 0. Edges are
/// anti-aliased: the coverage of a pixel follows from the distance of its centre to the edge. The cost is one small
/// copy to the device and about thirty operations per shape layer, over all scenes together.
at::Tensor draw(std::span<const Scene> scenes, ClipSize size, at::Device device);

}  // namespace wf::shapes
