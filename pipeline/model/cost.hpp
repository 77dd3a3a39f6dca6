// pipeline/model/cost.hpp: floating-point operations and memory traffic of the networks, counted from their sizes. A
// multiply-add is two operations; elementwise arithmetic is not counted. Weights may be on the device meta.
#pragma once

#include <cstdint>

#include "pipeline/model/umt5.hpp"
#include "pipeline/model/vae.hpp"
#include "pipeline/types.hpp"
#include "pipeline/weights/dit_config.hpp"

namespace wf {

/// Operations of one forward of an expert with batch 1, where L = tokens, n = rows of text, d = dim, f = ffn_dim.
struct DitFlops {
  std::int64_t linears = 0;          ///< 12 L d^2 + 4 L d f per block, and the patch embedding and the head
  std::int64_t ffn = 0;              ///< part of linears: 4 L d f per block
  std::int64_t self_attention = 0;   ///< 4 L^2 d per block
  std::int64_t cross_attention = 0;  ///< 4 L n d per block
  std::int64_t text = 0;  ///< keys and values of the text, 4 n d^2 per block: once per clip, so not part of forward()

  std::int64_t forward() const { return linears + self_attention + cross_attention; }
};
DitFlops dit_flops(const DitConfig& config, std::int64_t tokens, std::int64_t text_len);

/// Least bytes that the elementwise operations of a forward with batch 1 read and write: normalisation and rotation of
/// q and k, and for each of a block's three branches one pass that adds it to the f32 residual stream and normalises
/// the sum for the next branch. GELU counts as fused into the matrix product before it.
std::int64_t dit_elementwise_bytes(const DitConfig& config, Precision precision, std::int64_t tokens);

/// Operations of decoding a clip of `latent_frames` latent frames to frames of height x width pixels.
struct VaeFlops {
  std::int64_t convolutions = 0;  ///< including the projections of attention
  std::int64_t attention = 0;
  std::int64_t total() const { return convolutions + attention; }
};
VaeFlops vae_decode_flops(const VaeWeights& weights, std::int64_t latent_frames, std::int64_t height,
                          std::int64_t width);

/// Operations of encoding a text of `tokens` tokens.
std::int64_t umt5_flops(const Umt5Weights& weights, std::int64_t tokens);
/// Bytes of weights that encoding the text reads; of the embedding table these are the tokens' rows alone.
std::int64_t umt5_bytes_read(const Umt5Weights& weights, std::int64_t tokens);

}  // namespace wf
