// launcher/random_model/layout.hpp: names and shapes of every tensor of a published checkpoint, at any size.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/weights/random_manifest.hpp"

namespace wf {

/// The sizes of a model; the defaults are the preset "tiny". The published one: preset "a14b".
struct ModelSize {
  std::int64_t dim = 96, ffn = 192, heads = 3, layers = 2;                      ///< of each expert
  std::int64_t text_dim = 64, text_ffn = 160, text_heads = 4, text_layers = 2;  ///< of the text encoder
  std::int64_t vocabulary = 0;  ///< rows of its embedding; 0: those of the tokenizer
  std::int64_t vae_dim = 8;     ///< channels of the VAE's first layer, a multiple of 4
};

/// The words that preset() takes: "tiny", "small" and "a14b", the published size.
std::vector<std::string> preset_names();
/// Throws input for another word, listing them.
ModelSize preset(const std::string& name);

/// Throws input naming the flag when the sizes do not fit together (heads must divide dim, head size even and >= 6,
/// ...).
void check_size(const ModelSize& size);

std::int64_t count(const RandomTensor& tensor);  ///< elements

/// Spreads keep activations near unit variance from layer to layer, so that outputs stay finite and pictures are not
/// flat.
std::vector<RandomTensor> expert_tensors(const ModelSize& size);
std::vector<RandomTensor> text_encoder_tensors(const ModelSize& size);
std::vector<RandomTensor> vae_tensors(const ModelSize& size);

}  // namespace wf
