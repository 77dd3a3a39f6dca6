// models/shapes/world/caption.hpp: describes a scene in English.
#pragma once

#include <cstdint>
#include <string>

#include "models/shapes/world/scene.hpp"

namespace wf::shapes {

/// Returns one of many descriptions, chosen by the seed alone: "A large red circle slides left over a gradient from
/// blue to black", "white background, small green star spinning", ... The text is ASCII, at most 400 characters. It
/// always names each shape's colour, figure and motion, its size unless that is medium, and the background's colours
/// from left to right. A capital at the start and a full stop at the end are optional.
std::string caption(const Scene& scene, std::uint64_t seed);

}  // namespace wf::shapes
