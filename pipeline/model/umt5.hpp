// pipeline/model/umt5.hpp: the umT5 text encoder: one embedding per token id.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "pipeline/types.hpp"
#include "pipeline/weights/network_weights.hpp"

namespace wf {

/// One layer. Linear weights are [out, in]; there are no biases.
struct Umt5Block {
  at::Tensor norm1, q, k, v, o;      ///< norm1 [dim], q k v [dim_attn, dim], o [dim, dim_attn]
  at::Tensor relative_bias;          ///< [32, heads]: each layer has its own, unlike in T5
  at::Tensor norm2, gate, up, down;  ///< norm2 [dim], gate up [dim_ffn, dim], down [dim, dim_ffn]
};

/// The text encoder's weights, all of one dtype and on one device.
struct Umt5Weights {
  at::Tensor token_embedding;  ///< [vocabulary, dim]
  std::vector<Umt5Block> blocks;
  at::Tensor norm;  ///< [dim]
};

/// Loads the text encoder, whose sizes are read off the tensors' names and shapes: as f32 in `reference`, as bf16 (as
/// published) in `exact`; on the device `meta` it has shapes but no data. Throws environment naming file and tensor
/// where one is missing, has another shape, or is no part of umT5.
Umt5Weights load_umt5(const NetworkWeights& files, Precision precision, at::Device device);

/// Encodes token ids, with </s> and without padding, to [ids, dim] in the weights' dtype and on their device. In bf16
/// every operation rounds as in the official encoder, and only softmax is f32. Padding would not change these rows, so
/// none is computed. Throws environment for an id outside of the vocabulary: tokenizer and weights are then of
/// different models. Source: the encoder of Wan 2.2's wan/modules/t5.py.
at::Tensor umt5_encode(const Umt5Weights& weights, const std::vector<std::int64_t>& ids);

/// Bytes that encoding n = `tokens` tokens needs: the weights and the tensors alive at the widest point of a layer,
/// which with b bytes per element are max(n (3 dim + 4 dim_attn) b + heads n^2 (8 + 2 b), n (2 dim + 4 dim_ffn) b) + 8
/// n^2. With 0 tokens: the weights alone. The weights may be on the device meta.
std::uint64_t umt5_bytes_needed(const Umt5Weights& weights, std::int64_t tokens);

}  // namespace wf
