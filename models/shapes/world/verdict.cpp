#include "models/shapes/world/verdict.hpp"

#include <nlohmann/json.hpp>
#include <string>

namespace wf::shapes {
namespace {

using Json = nlohmann::ordered_json;

template <class Enum>
Json name_or_null(const std::optional<Enum>& value) {
  return value ? Json(to_string(*value)) : Json();
}

Json names(const std::vector<Colour>& colours) {
  Json out = Json::array();
  for (const Colour colour : colours) out.push_back(to_string(colour));
  return out;
}

}  // namespace

Verdict truth(const Scene& scene) {
  const Shape& main = scene.shapes.at(0);
  Verdict verdict{{scene.background.colour}, main.colour, main.figure, main.motion, {}};
  if (scene.background.to) verdict.background.push_back(*scene.background.to);
  for (std::size_t i = 1; i < scene.shapes.size(); ++i) verdict.others.push_back(scene.shapes[i].colour);
  return verdict;
}

Json to_json(const Verdict& verdict) {
  return {{"colour", name_or_null(verdict.colour)},
          {"figure", name_or_null(verdict.figure)},
          {"motion", name_or_null(verdict.motion)},
          {"background", names(verdict.background)},
          {"others", names(verdict.others)}};
}

}  // namespace wf::shapes
