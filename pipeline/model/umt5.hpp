// pipeline/model/umt5.hpp: the umT5 text encoder: token ids to one embedding a token.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "pipeline/types.hpp"
#include "pipeline/weights/checkpoint.hpp"

namespace wf {

/// One layer. Linear weights are [out, in], without biases.
struct Umt5Block {
  at::Tensor norm1, q, k, v, o;      ///< norm1 [dim], q k v [dim_attn, dim], o [dim, dim_attn]
  at::Tensor relative_bias;          ///< [32, heads]: each layer has its own, unlike in T5
  at::Tensor norm2, gate, up, down;  ///< norm2 [dim], gate up [dim_ffn, dim], down [dim, dim_ffn]
};

struct Umt5Weights {
  at::Tensor token_embedding;  ///< [vocabulary, dim]
  std::vector<Umt5Block> blocks;
  at::Tensor norm;  ///< [dim]
};

/// All sizes come from the tensors' names and shapes. f32 in `reference`, bf16 (as published) in `exact`; on the device
/// `meta` shapes only. Throws environment naming file and tensor: missing, of another shape, or not part of umT5.
Umt5Weights load_umt5(const Checkpoint& checkpoint, Precision precision, at::Device device);

/// ids, </s> included and padding not -> [ids, dim] in the weights' dtype, on their device. In bf16 every operation is
/// rounded as the official encoder rounds it, softmax alone is f32. Rows do not depend on padding, so none is computed.
/// Throws environment for an id outside of the vocabulary: tokenizer and weights are then of different models.
at::Tensor umt5_encode(const Umt5Weights& weights, const std::vector<std::int64_t>& ids);

/// The weights, and the tensors alive at the widest point of one layer for so many tokens. With b bytes an element,
/// n tokens: max(n (3 dim + 4 dim_attn) b + heads n^2 (8 + 2 b), n (2 dim + 4 dim_ffn) b) + 8 n^2.
std::uint64_t umt5_bytes_needed(const Umt5Weights& weights, std::int64_t tokens);

}  // namespace wf
