// models/shapes/world/draw.hpp: scenes as frames, many at once, on any device.
#pragma once

#include <ATen/core/Tensor.h>

#include <span>

#include "models/shapes/world/scene.hpp"

namespace wf::shapes {

struct ClipSize {
  int frames = 17, height = 96, width = 96;
};

/// Of one scene or more: [scenes, 3, frames, height, width] f32 in [-1, 1] (sRGB 0 is -1, 1 is 1), contiguous, on the
/// device: as the VAE takes it. Frame f is the time f / (frames - 1); of one frame, 0. Edges are anti-aliased: a
/// pixel's share of a shape follows from the distance of its centre to the edge. The work is one copy of a few numbers
/// to the device and some thirty operations a shape layer over all scenes together.
at::Tensor draw(std::span<const Scene> scenes, ClipSize size, at::Device device);

}  // namespace wf::shapes
