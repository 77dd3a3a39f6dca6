// pipeline/kernels/rotate.hpp: rotary position embedding applied to queries and keys.
#pragma once

#include <ATen/core/Tensor.h>

namespace wf {

/// Rotates the channel pairs (2j, 2j+1) of each head. z [batch, rows, heads, head_dim] f32 or bf16; angles:
/// rope_table()'s rows, [rows, head_dim/2] complex64. Computed in f32; the result has z's dtype.
at::Tensor rotate(const at::Tensor& z, const at::Tensor& angles);

}  // namespace wf
