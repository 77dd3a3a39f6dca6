// pipeline/model/cost.hpp: how much arithmetic the networks take, counted from their sizes alone. A multiply-add is two
// operations; elementwise arithmetic is not counted. Weights may lie on the device meta.
#pragma once

#include <cstdint>

#include "pipeline/model/umt5.hpp"
#include "pipeline/model/vae.hpp"
#include "pipeline/types.hpp"
#include "pipeline/weights/dit_config.hpp"

namespace wf {

/// Operations of one forward of an expert, batch 1. L tokens, n rows of text, d = dim, f = ffn_dim.
struct DitFlops {
  std::int64_t linears = 0;          ///< a block 12 L d^2 + 4 L d f, and the patch embedding and the head
  std::int64_t self_attention = 0;   ///< a block 4 L^2 d
  std::int64_t cross_attention = 0;  ///< a block 4 L n d
  std::int64_t text = 0;             ///< keys and values of the text, a block 4 n d^2: once a clip, not in forward()

  std::int64_t forward() const { return linears + self_attention + cross_attention; }
};
DitFlops dit_flops(const DitConfig& config, std::int64_t tokens, std::int64_t text_len);

/// What the elementwise steps of such a forward move at least, in bytes: normalisation and rotation of q and k, and of
/// each of the three branches one pass that adds it to the f32 residual stream and normalises the sum for the next one.
/// GELU is left to the matrix product before it.
std::int64_t dit_elementwise_bytes(const DitConfig& config, Precision precision, std::int64_t tokens);

/// Operations of decoding a clip of so many latent frames to height x width pixels.
struct VaeFlops {
  std::int64_t convolutions = 0;  ///< the attention's projections too
  std::int64_t attention = 0;
  std::int64_t total() const { return convolutions + attention; }
};
VaeFlops vae_decode_flops(const VaeWeights& weights, std::int64_t latent_frames, std::int64_t height,
                          std::int64_t width);

/// Operations of encoding a text, and the bytes of weights that it reads (of the embedding table its rows alone).
std::int64_t umt5_flops(const Umt5Weights& weights, std::int64_t tokens);
std::int64_t umt5_bytes_read(const Umt5Weights& weights, std::int64_t tokens);

}  // namespace wf
