// pipeline/kernels/rotate.hpp: queries and keys on their way into self-attention.
#pragma once

#include <ATen/core/Tensor.h>

namespace wf {

/// Rotary position embedding: turns the channel pairs (2j, 2j+1) of each head. z [batch, rows, heads, head_dim] f32 or
/// bf16; angles: rope_table()'s rows, [rows, head_dim/2] complex64. Computed in f32; the result has z's dtype.
at::Tensor rotate(const at::Tensor& z, const at::Tensor& angles);

/// rms_norm() of z [batch, rows, d], split into heads and rotated: [batch, rows, heads, d / heads], dense. On a GPU in
/// bf16 one pass over memory (fused.hpp).
at::Tensor rotated_heads(const at::Tensor& z, const at::Tensor& weight, double eps, std::int64_t heads,
                         const at::Tensor& angles);

}  // namespace wf
