// pipeline/kernels/attention.hpp: the attention backends.
#pragma once

#include <string>

#include "parallel/attention.hpp"

namespace wf {

/// The plain formula in f32, any dtype and head size; the result is rounded to q's dtype. On a CPU LibTorch's blocked
/// one; on a GPU by blocks of rows whose scores take at most 512 MiB. It is the oracle of the others.
Attention math_attention();

/// cuDNN's fused attention on an NVIDIA GPU: bf16, head size a multiple of 8 up to 128.
Attention cudnn_attention();

/// FlashAttention-3, out of the shared library of the Python package fa3-fwd, which needs no Python: bf16, head size a
/// multiple of 8 up to 256, compute capability 9.0. $WANFARM_FA3 names the library fa3_fwd/_C.abi3.so or the folder
/// that holds fa3_fwd/. Throws environment when it is not set, or when the library cannot be loaded.
Attention fa3_attention();

/// Why a backend cannot be used here; empty: it can.
std::string why_not_cudnn(at::Device device, at::ScalarType dtype, std::int64_t head_dim);
std::string why_not_fa3(at::Device device, at::ScalarType dtype, std::int64_t head_dim);

/// softmax(q k^T / sqrt(head_dim) + bias) v with bias [batch, 1, 1, keys] f32 added to every row of scores; an
/// undefined bias is none. For cross-attention: few keys, no ranks, no lse.
at::Tensor biased_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& bias);

}  // namespace wf
