// models/shapes/world/caption.hpp: a scene in English words.
#pragma once

#include <cstdint>
#include <string>

#include "models/shapes/world/scene.hpp"

namespace wf::shapes {

/// One of many ways to say it, chosen by the seed alone: "A large red circle slides left over a gradient from blue to
/// black", "white background, small green star spinning", ... ASCII. It always names each shape's colour, figure and
/// motion, the size unless that is medium, and the background's colours (from left to right). It may begin with a
/// capital or not, and end with a full stop or not. At most 400 characters.
std::string caption(const Scene& scene, std::uint64_t seed);

}  // namespace wf::shapes
