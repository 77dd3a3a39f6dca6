#include "pipeline/model/cost.hpp"

#include <ATen/ATen.h>

#include <array>
#include <variant>

namespace wf {
namespace {

using namespace vae;

/// Counts the operations of decoding layer by layer, tracking the sizes of the whole clip's features.
struct DecodeWalk {
  std::int64_t frames, area;  ///< area: rows x columns
  VaeFlops flops;

  void convolve(const Conv& conv, std::int64_t over_frames) {
    if (conv.weight.defined()) flops.convolutions += 2 * conv.weight.numel() * over_frames * area;
  }
  void convolve(const Conv& conv) { convolve(conv, frames); }

  void operator()(const Residual& block) {
    convolve(block.conv1);
    convolve(block.conv2);
    convolve(block.shortcut);
  }
  void operator()(const Attention& block) {
    convolve(block.qkv);
    convolve(block.proj);
    flops.attention += 4 * frames * area * area * block.proj.weight.size(0);
  }
  void operator()(const Upsample& layer) {
    convolve(layer.time, frames - 1);  // the clip's first frame is not doubled
    if (layer.time.weight.defined()) frames = 1 + 2 * (frames - 1);
    area *= 4;
    convolve(layer.space);
  }
  void operator()(const Downsample&) {}  // a decoder has none
};

std::array<at::Tensor, 7> matrices(const Umt5Block& b) { return {b.q, b.k, b.v, b.o, b.gate, b.up, b.down}; }

}  // namespace

DitFlops dit_flops(const DitConfig& config, std::int64_t tokens, std::int64_t text_len) {
  const std::int64_t d = config.dim, blocks = config.num_layers, patch = 4 * (config.in_dim + config.out_dim);
  return {.linears = tokens * (blocks * (12 * d * d + 4 * d * config.ffn_dim) + 2 * d * patch),
          .ffn = tokens * blocks * 4 * d * config.ffn_dim,
          .self_attention = blocks * 4 * tokens * tokens * d,
          .cross_attention = blocks * 4 * tokens * text_len * d,
          .text = blocks * 4 * text_len * d * d};
}

std::int64_t dit_elementwise_bytes(const DitConfig& config, Precision precision, std::int64_t tokens) {
  const std::int64_t stream = 4, narrow = number_bytes(precision);
  const std::int64_t branch = stream + narrow + stream + narrow;  // x and the branch in, x and the normalised x out
  const std::int64_t normalised = 2 * narrow;                     // of q, k and the cross-attention's q
  return config.num_layers * tokens * config.dim * 3 * (branch + normalised);
}

VaeFlops vae_decode_flops(const VaeWeights& weights, std::int64_t latent_frames, std::int64_t height,
                          std::int64_t width) {
  const std::int64_t factor = space_factor(weights.decoder);
  DecodeWalk walk{latent_frames, (height / factor) * (width / factor), {}};
  walk.convolve(weights.decoder_in);
  walk.convolve(weights.decoder.first);
  for (const Layer& layer : weights.decoder.layers) std::visit(walk, layer);
  walk.convolve(weights.decoder.last);
  return walk.flops;
}

std::int64_t umt5_flops(const Umt5Weights& weights, std::int64_t tokens) {
  std::int64_t flops = 0;
  for (const Umt5Block& block : weights.blocks) {
    for (const at::Tensor& matrix : matrices(block)) flops += 2 * tokens * matrix.numel();
    flops += 4 * tokens * tokens * block.q.size(0);
  }
  return flops;
}

std::int64_t umt5_bytes_read(const Umt5Weights& weights, std::int64_t tokens) {
  const at::Tensor& table = weights.token_embedding;
  auto bytes = tokens * table.size(1) * static_cast<std::int64_t>(table.element_size());
  for (const Umt5Block& block : weights.blocks)
    for (const at::Tensor& matrix : matrices(block)) bytes += static_cast<std::int64_t>(matrix.nbytes());
  return bytes;
}

}  // namespace wf
