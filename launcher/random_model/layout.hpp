// launcher/random_model/layout.hpp: names and shapes of all tensors of a checkpoint in the published layout, at any
// size.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/weights/random_manifest.hpp"

namespace wf {

/// The sizes of a model. The defaults are those of the preset "tiny"; the published sizes are "a14b".
struct ModelSize {
  std::int64_t dim = 96, ffn = 192, heads = 3, layers = 2;                      ///< Of each expert.
  std::int64_t text_dim = 64, text_ffn = 160, text_heads = 4, text_layers = 2;  ///< Of the text encoder.
  std::int64_t vocabulary = 0;  ///< Rows of the text encoder's embedding; 0: as many as the tokenizer needs.
  std::int64_t vae_dim = 8;     ///< Channels of the VAE's first layer, a multiple of 4.
};

/// The names that preset() takes: "tiny", "small" and "a14b", the published size.
std::vector<std::string> preset_names();

/// The sizes of a preset. Throws input, listing the names, for an unknown one.
ModelSize preset(const std::string& name);

/// Throws input naming the flag when the sizes do not fit together: heads must divide dim, the head size must be even
/// and at least 6, and vae_dim a multiple of 4.
void check_size(const ModelSize& size);

/// Number of elements.
std::int64_t count(const RandomTensor& tensor);

/// The tensors of each network, with their shapes, means and standard deviations. The deviations keep activations near
/// unit variance from layer to layer, so that outputs stay finite and frames are not flat.
std::vector<RandomTensor> expert_tensors(const ModelSize& size);
std::vector<RandomTensor> text_encoder_tensors(const ModelSize& size);
std::vector<RandomTensor> vae_tensors(const ModelSize& size);

}  // namespace wf
