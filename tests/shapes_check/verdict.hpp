// tests/shapes_check/verdict.hpp: recognises what a clip of the small world shows, from its frames alone.
//
// The background is fitted to the border. Shapes are what differs from it, by the nearest of the eight colours; the one
// with the largest reach is the main shape, and its largest blob is followed. A ring is recognised by its hole, other
// figures by the angular moments of order 3, 4 and 5; straight motion by the line through the centres, circling by the
// angle that they sweep, growing and shrinking by the area, rotating by the phase of the figure's moment.
// All of it tolerates what a small model produces: soft edges, noise, colours that are slightly off.
#pragma once

#include "models/shapes/world/verdict.hpp"
#include "tests/shapes_check/clip.hpp"

namespace wf::shapes {

/// Recognises the content of a clip of at least 32 x 32 pixels and one frame. The motion in a single frame is `still`.
Verdict look(const Clip& clip);

}  // namespace wf::shapes
