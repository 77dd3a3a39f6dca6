// pipeline/weights/model_folder.hpp: the parts of a model folder in the published layout, and the id of their content.
#pragma once

#include <string>

#include "base/files.hpp"

namespace wf {

/// Paths of the parts of a model. The layout is that of Wan-AI/Wan2.2-T2V-A14B: high_noise_model/ and low_noise_model/
/// (config.json and safetensors), models_t5_umt5-xxl-enc-bf16.pth, Wan2.1_VAE.pth, google/umt5-xxl/tokenizer.json. A
/// .pth file may be replaced by a .safetensors file of the same stem, and any weights by a .random.json that describes
/// them (random_manifest.hpp).
struct ModelFolder {
  Path root, high_expert, low_expert, text_encoder, vae, tokenizer;
};

/// Finds the parts below `root` without reading weights. Throws environment listing every missing part (including
/// shards named by an index) with its expected path and where to download it; input listing every file that is a
/// pointer of Git LFS, with the command that fetches them.
ModelFolder find_model(const Path& root);

/// The model_id of sidecars and fingerprints: a SHA-256 in hex over all parts, each preceded by the name of its role.
/// Files up to 4 MiB and all .json files are hashed completely; of a larger file its size, first MiB (the headers),
/// last 64 KiB (a zip's directory) and 64 evenly spaced samples of 4 KiB. Takes seconds for 126 GB and depends neither
/// on the node nor on the path. Throws environment when a file cannot be read.
std::string identity(const ModelFolder& model);

}  // namespace wf
