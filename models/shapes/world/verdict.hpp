// models/shapes/world/verdict.hpp: what a clip of the small world shows, in words: asked for by a scene, or seen by
// tests/shapes_check.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <vector>

#include "models/shapes/world/scene.hpp"

namespace wf::shapes {

struct Verdict {
  std::vector<Colour> background;  ///< one; two from left to right
  /// Of the main shape: nothing when no shape is in at least half of the frames.
  std::optional<Colour> colour;
  std::optional<Figure> figure;
  std::optional<Motion> motion;  ///< nothing, too, for a way that is neither straight nor round
  std::vector<Colour> others;    ///< of the other shapes, the largest first
};

/// What the best of checkers would say of a scene.
Verdict truth(const Scene& scene);

/// {"colour": "red", "figure": "star", "motion": "left", "background": ["blue", "black"], "others": []}; null for what
/// a verdict does not say.
nlohmann::ordered_json to_json(const Verdict& verdict);

}  // namespace wf::shapes
