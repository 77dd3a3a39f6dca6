// launcher/random_model/random_model.hpp: a checkpoint in the published layout with random weights, of any size.
#pragma once

#include <cstdint>

#include "cluster/files.hpp"
#include "launcher/random_model/layout.hpp"

namespace wf {

struct RandomModel {
  ModelSize size;
  std::uint64_t seed = 42;
  std::uint64_t shard_bytes = 2ull << 30;  ///< of the experts' files; also bounds the memory that writing them takes
  bool described = false;  ///< a .random.json in place of each network's weights: drawn when they are loaded
};

/// Writes both experts (f32 shards with an index), the text encoder (bf16), the VAE (f32) and the tokenizer. The same
/// arguments give the same bytes. Described and stored weights are the same numbers on a CPU. `folder` appears when it
/// is complete; it must not exist (input). Throws storage.
void write_random_model(const Path& folder, const RandomModel& model);

/// What `--model random:PRESET` means: the folder models/random-PRESET, with weights that are described; made when it
/// is not there. Throws input for an unknown preset, storage.
Path random_model_folder(const std::string& preset_name);

}  // namespace wf
