// tests/shapes_check/areas.hpp: which colours lie in areas of a clip, and where.
#pragma once

#include <vector>

#include "tests/shapes_check/backdrop.hpp"

namespace wf::shapes {

struct ColourArea {
  Colour colour = Colour::red;
  std::vector<Mask> frames;  ///< for each frame the pixels of the colour that hang together and have the most inside
};

/// One for each colour that a shape of some size has. Not the background's own colours, and not the seam between a
/// shape and the background, where the blend of the two may look like a third colour.
std::vector<ColourArea> find_areas(const Clip& clip, const Backdrop& backdrop);

}  // namespace wf::shapes
