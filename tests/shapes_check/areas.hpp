// tests/shapes_check/areas.hpp: finds the coloured areas of a clip.
#pragma once

#include <vector>

#include "tests/shapes_check/backdrop.hpp"

namespace wf::shapes {

/// The pixels of one colour, frame by frame.
struct ColourArea {
  Colour colour = Colour::red;
  std::vector<Mask> frames;  ///< Per frame, the connected part of the colour with most inner pixels.
};

/// Returns an area for each colour that occurs in a shape of sufficient size. Excludes the background's own colours,
/// and seams between a shape and the background, where the blend of the two may look like a third colour.
std::vector<ColourArea> find_areas(const Clip& clip, const Backdrop& backdrop);

}  // namespace wf::shapes
