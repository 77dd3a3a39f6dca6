// launcher/options/shapes_of_model.hpp: a model for plans, which need no weights.
#pragma once

#include <optional>

#include "base/temporary_folder.hpp"
#include "jobs/model_source.hpp"

namespace wf {

/// A model of which only the shapes are looked at. What ready_model() (model_choice.hpp) would write in the current
/// folder is written to a temporary one instead, which goes with this object.
class ShapesOfModel {
 public:
  /// Throws what random_model_folder() throws, and storage without a place for temporary files.
  explicit ShapesOfModel(ModelSource model);
  const ModelSource& source() const { return source_; }

 private:
  std::optional<TemporaryFolder> temporary_;
  ModelSource source_;
};

}  // namespace wf
