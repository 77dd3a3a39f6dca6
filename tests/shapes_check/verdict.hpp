// tests/shapes_check/verdict.hpp: what a clip of the small world shows, seen from its frames alone.
//
// Background: fitted to the border. Shapes: what differs from it, by the nearest of the eight colours; the one that
// reaches farthest is the main one, and its largest blob is followed. Figure: ring by its hole, the others by the
// moments of order 3, 4 and 5 of their angles. Motion: straight by the line through the centres, circling by the angle
// that they sweep, growing and shrinking by the area, rotating by the phase of the figure's moment.
// It is made for what a small model produces: soft edges, noise, colours that are not quite right.
#pragma once

#include "models/shapes/world/verdict.hpp"
#include "tests/shapes_check/clip.hpp"

namespace wf::shapes {

/// Clips of any size and length from 32 x 32 and one frame on; of a single frame every motion is `still`.
Verdict look(const Clip& clip);

}  // namespace wf::shapes
