// tests/shapes_check/backdrop.hpp: estimates the background of a clip from its border.
#pragma once

#include <vector>

#include "tests/shapes_check/clip.hpp"

namespace wf::shapes {

/// A colour that is linear in the position: centre + across x + along y, with x and y from -1 to 1 between the frame's
/// edges.
struct Backdrop {
  Rgb centre{}, across{}, along{};

  Rgb at(double x, double y) const;
  Rgb at(int pixel, int height, int width) const;  ///< The colour behind the centre of a pixel.
};

/// Fits a backdrop robustly to the pixels near the edges of all frames, so that shapes that pass there hardly matter.
Backdrop fit_backdrop(const Clip& clip);

/// Returns one colour, or those of the left and the right edge if the two differ clearly.
std::vector<Colour> colours(const Backdrop& backdrop);

}  // namespace wf::shapes
