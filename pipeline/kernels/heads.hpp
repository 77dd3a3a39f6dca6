// pipeline/kernels/heads.hpp: queries, keys and values on their way into self-attention.
#pragma once

#include <ATen/core/Tensor.h>

#include "parallel/head_exchange.hpp"

namespace wf {

/// Rotary position embedding: turns the channel pairs (2j, 2j+1) of each head. z [batch, rows, heads, head_dim] f32 or
/// bf16; angles: rope_table()'s rows, [rows, head_dim/2] complex64. Computed in f32; the result has z's dtype.
at::Tensor rotate(const at::Tensor& z, const at::Tensor& angles);

/// What q and k go through before they are rotated: rms_norm() over all heads, with these weights [d].
struct HeadNorms {
  const at::Tensor &q, &k;
  double eps;
};

/// A joined projection z [batch, rows, 3d] (q, k, v) into the rows from `first_row` on of all blocks: q and k normed
/// and rotated, v as it is. angles: of these rows. On a GPU in bf16 one pass over memory (fused.hpp).
void write_heads(const at::Tensor& z, const HeadNorms& norms, const at::Tensor& angles, const HeadBlocks& blocks,
                 std::int64_t first_row);

}  // namespace wf
