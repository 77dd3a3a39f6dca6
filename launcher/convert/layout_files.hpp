// launcher/convert/layout_files.hpp: the two layouts of a model: where its parts lie, and the small JSON files beside
// the weights.
#pragma once

#include <string>

#include "base/files.hpp"
#include "pipeline/weights/dit_config.hpp"
#include "pipeline/weights/network_weights.hpp"

namespace wf {

/// The layout of Wan-AI/Wan2.2-T2V-A14B, and that of Wan-AI/Wan2.2-T2V-A14B-Diffusers.
enum class Layout { official, diffusers };

/// Where the weights of a network lie.
struct NetworkPlace {
  Path folder;            ///< In the model's folder; empty: in that folder itself.
  std::string stem;       ///< Of the files' names.
  bool in_shards = true;  ///< False: one file, however large.
};

NetworkPlace place_of_expert(Layout layout, Expert expert);
NetworkPlace place_of_text_encoder(Layout layout);
NetworkPlace place_of_vae(Layout layout);
Path folder_of_tokenizer(Layout layout);

/// config.json of an expert. text_dim: the width of the text embeddings.
std::string expert_config(Layout layout, const DitConfig& config, std::int64_t text_dim);

// The files below belong to the layout of Diffusers alone.

/// config.json of the text encoder and of the VAE, whose sizes are read off the shapes of complete weights.
std::string text_encoder_config(const NetworkWeights& text_encoder);
std::string vae_config(const NetworkWeights& vae);
/// model_index.json: the classes of the parts.
std::string model_index();
/// scheduler/scheduler_config.json, with the published shift of 12.
std::string scheduler_config();

}  // namespace wf
