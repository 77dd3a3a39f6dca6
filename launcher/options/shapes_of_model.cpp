#include "launcher/options/shapes_of_model.hpp"

#include <utility>

#include "launcher/random_model/random_model.hpp"

namespace wf {

ShapesOfModel::ShapesOfModel(ModelSource model) : source_(std::move(model)) {
  if (!is_random(source_.from)) return;
  const std::string preset = source_.from.string().substr(random_prefix.size());
  const bool is_there = std::filesystem::exists("models/random-" + preset);
  source_.from =
      is_there ? random_model_folder(preset) : random_model_folder(preset, temporary_.emplace("wanfarm-model").path());
}

}  // namespace wf
