// pipeline/weights/model_folder.hpp: a model folder in the published layout, found and named.
#pragma once

#include <string>

#include "cluster/files.hpp"

namespace wf {

/// Where the parts of a checkpoint lie. Layout of Wan-AI/Wan2.2-T2V-A14B:
/// high_noise_model/ low_noise_model/ (config.json + safetensors), models_t5_umt5-xxl-enc-bf16.pth, Wan2.1_VAE.pth,
/// google/umt5-xxl/tokenizer.json. A .safetensors repack of a .pth file (same stem) is taken too, and in place of any
/// weights a .random.json that describes them (random_manifest.hpp).
struct ModelFolder {
  Path root, high_expert, low_expert, text_encoder, vae, tokenizer;
};

/// Throws environment listing every missing part (shards of an index too) with the path where it was looked for, and
/// where to get it.
ModelFolder find_model(const Path& root);

/// model_id: SHA-256 over all parts, each under the name of its role: a file up to 4 MiB and any .json whole, of a
/// larger one its size, its first MiB (where the headers lie), its last 64 KiB (where a zip has its directory) and 64
/// pages between: seconds for 126 GB, the same on every machine and for every path. Throws environment when a file
/// cannot be read.
std::string identity(const ModelFolder& model);

}  // namespace wf
