// pipeline/kernels/heads.hpp: what happens to queries, keys and values between their projection and self-attention.
#pragma once

#include <ATen/core/Tensor.h>

#include "parallel/head_exchange.hpp"

namespace wf {

/// Rotary position embedding: rotates the channel pairs (2j, 2j+1) of each head. z: [batch, rows, heads, head_dim] f32
/// or bf16; angles: rows of rope_table(), [rows, head_dim / 2] complex64. Computed in f32; the result has z's shape and
/// dtype.
at::Tensor rotate(const at::Tensor& z, const at::Tensor& angles);

/// Weights [d] and epsilon of the rms_norm() over all heads that q and k pass before they are rotated.
struct HeadNorms {
  const at::Tensor &q, &k;
  double eps;
};

/// Writes a joined projection z [batch, rows, 3d] of q, k and v into the rows from `first_row` on of all blocks: q and
/// k normalised and rotated, v unchanged. angles: rows of rope_table() for these rows, [rows, head_dim / 2] complex64.
/// On a GPU, in bf16, it is one pass over memory (fused.hpp).
void write_heads(const at::Tensor& z, const HeadNorms& norms, const at::Tensor& angles, const HeadBlocks& blocks,
                 std::int64_t first_row);

}  // namespace wf
