// pipeline/kernels/attention.hpp: the attention backends.
#pragma once

#include "parallel/attention.hpp"

namespace wf {

/// LibTorch's attention, f32 or bf16, any head size. On a CPU the blocked one, which never holds all scores at once.
Attention math_attention();

/// softmax(q k^T / sqrt(head_dim) + bias) v with bias [batch, 1, 1, keys] f32 added to every row of scores; an
/// undefined bias is none. For cross-attention: few keys, no ranks, no lse.
at::Tensor biased_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& bias);

}  // namespace wf
