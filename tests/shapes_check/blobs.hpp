// tests/shapes_check/blobs.hpp: the shapes of a clip by their colours, and the largest of them frame by frame.
#pragma once

#include <complex>
#include <vector>

#include "tests/shapes_check/backdrop.hpp"

namespace wf::shapes {

/// A shape in one frame. Moments are over how much of each pixel it covers, so soft edges do not move them.
struct Blob {
  double time = 0;                ///< 0: first frame, 1: last
  double x = 0, y = 0;            ///< the centre, fractions of the frame's width and height
  double side_x = 0, side_y = 0;  ///< the same in units of the frame's shorter side
  double area = 0;                ///< pixels
  double reach = 0;               ///< pixels, from the centre to the farthest of it
  double core = 0;                ///< how much of the middle it covers, 0..1: within 0.35 of its reach
  /// [n]: the sum over its pixels of exp(i n angle) over their number, seen from the centre: 0 for a circle; of a
  /// polygon with n corners, its phase is n times the direction of a corner, or half a turn off.
  std::array<std::complex<double>, 6> turns{};
};

/// A shape through the clip: its blob in every frame that has one.
struct Followed {
  Colour colour = Colour::red;
  std::vector<Blob> blobs;
};

/// The shapes that are in at least half of the frames, one of a colour. The first is the main one: what reaches
/// farthest from its centre, so that a star counts as much as the circle around it.
std::vector<Followed> find_shapes(const Clip& clip, const Backdrop& backdrop);

}  // namespace wf::shapes
