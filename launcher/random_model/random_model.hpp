// launcher/random_model/random_model.hpp: writes a checkpoint of any size with random weights in the published layout.
#pragma once

#include <cstdint>

#include "base/files.hpp"
#include "launcher/random_model/layout.hpp"

namespace wf {

/// What is written.
struct RandomModel {
  ModelSize size;
  std::uint64_t seed = 42;
  std::uint64_t shard_bytes = 2ull << 30;  ///< Bytes of each file of an expert; also bounds the memory of writing.
  /// Write a .random.json in place of each network's weights, which are then drawn when they are loaded.
  bool described = false;
};

/// Writes both experts (f32 shards with an index), the text encoder (bf16), the VAE (f32) and the tokenizer. The same
/// arguments give the same bytes, and described weights are the same numbers as stored ones on a CPU. `folder` appears
/// only once it is complete. Throws input when it exists or the sizes do not fit together, storage when it cannot be
/// written.
void write_random_model(const Path& folder, const RandomModel& model);

/// The folder that `--model random:PRESET` stands for, models/random-PRESET with described weights, written when it is
/// not there; `above` in place of models/. Throws input for an unknown preset, storage when it cannot be written.
Path random_model_folder(const std::string& preset_name, const Path& above = "models");

}  // namespace wf
