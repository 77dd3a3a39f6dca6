// models/shapes/world/verdict.hpp: what a clip of the small world shows, as its scene requires or as tests/shapes_check
// sees it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <vector>

#include "models/shapes/world/scene.hpp"

namespace wf::shapes {

/// The content of a clip. A value is empty if it could not be recognised.
struct Verdict {
  std::vector<Colour> background;  ///< One colour, or two for a gradient from left to right.
  std::optional<Colour> colour;    ///< Colour of the main shape; empty if no shape is in at least half of the frames.
  std::optional<Figure> figure;    ///< Figure of the main shape.
  std::optional<Motion> motion;    ///< Motion of the main shape; also empty if it is neither straight nor circular.
  std::vector<Colour> others;      ///< Colours of the other shapes, the largest first.
};

/// Returns what a perfect checker would see in a clip of this scene.
Verdict truth(const Scene& scene);

/// {"colour": "red", "figure": "star", "motion": "left", "background": ["blue", "black"], "others": []}; null for
/// an empty value.
nlohmann::ordered_json to_json(const Verdict& verdict);

}  // namespace wf::shapes
