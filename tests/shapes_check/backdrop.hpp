// tests/shapes_check/backdrop.hpp: the background of a clip, as its border shows it.
#pragma once

#include <vector>

#include "tests/shapes_check/clip.hpp"

namespace wf::shapes {

/// A colour that is linear in the place: colour = centre + across x + along y, with x and y from -1 to 1 between the
/// frame's edges.
struct Backdrop {
  Rgb centre{}, across{}, along{};

  Rgb at(double x, double y) const;
  Rgb at(int pixel, int height, int width) const;  ///< behind the centre of a frame's pixel
};

/// Fitted to the pixels near the edges of all frames, so that the shapes that pass there hardly count.
Backdrop fit_backdrop(const Clip& clip);

/// Its name: one colour, or that of the left and of the right edge where the two differ clearly.
std::vector<Colour> colours(const Backdrop& backdrop);

}  // namespace wf::shapes
