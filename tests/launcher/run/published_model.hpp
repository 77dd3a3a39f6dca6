// tests/launcher/run/published_model.hpp: a model of the published sizes to plan for.
#pragma once

#include "launcher/random_model/random_model.hpp"
#include "pipeline/experts/model_parts.hpp"
#include "tests/temp_folder.hpp"

namespace wf {

/// Weights are described alone, so that this takes no disk.
inline const ModelParts& published_model() {
  static const ModelParts parts = [] {
    const test::TempFolder folder;
    write_random_model(folder.path() / "a14b", {.size = preset("a14b"), .described = true});
    return read_model({folder.path() / "a14b"}, Precision::exact);
  }();
  return parts;
}

}  // namespace wf
