// tests/shapes_check/blobs.hpp: finds the shapes of a clip by their colours and follows each from frame to frame.
#pragma once

#include <complex>
#include <vector>

#include "tests/shapes_check/backdrop.hpp"

namespace wf::shapes {

/// A shape in one frame. Moments are weighted by pixel coverage, so soft edges do not shift them.
struct Blob {
  double time = 0;                ///< 0 for the first frame, 1 for the last.
  double x = 0, y = 0;            ///< Centre, as fractions of the frame's width and height.
  double side_x = 0, side_y = 0;  ///< Centre, in units of the frame's shorter side.
  double area = 0;                ///< Area in pixels.
  double reach = 0;               ///< Distance from the centre to the farthest pixel, in pixels.
  double core = 0;                ///< Covered share of the disc within 0.35 of the reach, 0..1.
  /// turns[n]: the mean of exp(i n angle) over the pixels, angles seen from the centre. 0 for a circle; for a polygon
  /// with n corners, the phase is n times the direction of a corner, or half a turn off.
  std::array<std::complex<double>, 6> turns{};
};

/// A shape over the whole clip: its blob in every frame where it is visible.
struct Followed {
  Colour colour = Colour::red;
  std::vector<Blob> blobs;
};

/// Returns the shapes that are in at least half of the frames, at most one per colour. The first is the main shape: the
/// one with the largest reach, so that a star counts as much as the circle around it.
std::vector<Followed> find_shapes(const Clip& clip, const Backdrop& backdrop);

}  // namespace wf::shapes
