// pipeline/weights/dit_config.hpp: the dimensions of one expert, from the config.json next to its weights, or from the
// shapes of the weights.
#pragma once

#include <cstdint>
#include <string>

#include "base/files.hpp"

namespace wf {

class NetworkWeights;

/// Dimensions of a DiT, named after the keys of config.json in Wan-AI/Wan2.2-T2V-A14B.
struct DitConfig {
  std::int64_t dim = 0, ffn_dim = 0, num_heads = 0, num_layers = 0;
  std::int64_t freq_dim = 256;             ///< Size of the sinusoidal timestep embedding; even.
  std::int64_t in_dim = 16, out_dim = 16;  ///< Channels of the latents, in and out.
  std::int64_t text_len = 512;             ///< Text tokens that the DiT is given.
  double eps = 1e-6;                       ///< Epsilon of its norms.
};

/// Reads and checks a config.json, the official one or that of a Diffusers transformer. The official one must hold dim,
/// ffn_dim, num_heads and num_layers, the other one num_attention_heads, attention_head_dim, ffn_dim and num_layers;
/// for the rest the published values are the defaults. Throws environment naming file and key when it is not JSON, a
/// required key is missing, a value is not a positive number, dim is not divisible by num_heads, the head size or
/// freq_dim is odd, or the file is of another kind of model: model_type is not t2v, or the class not
/// WanTransformer3DModel.
DitConfig read_dit_config(const Path& config_json);

/// The dimensions as the tensors' shapes tell them. All published models have heads of 128 channels, which is taken
/// here. Throws environment where a tensor that tells a size is missing, and where 128 does not divide the width.
DitConfig dit_config_of(const NetworkWeights& expert);

/// The text of an official config.json.
std::string config_text(const DitConfig& config);

}  // namespace wf
