// pipeline/kernels/attention.hpp: the attention backends: plain formula, cuDNN, FlashAttention-3.
#pragma once

#include <string>

#include "parallel/attention.hpp"

namespace wf {

/// The plain formula, computed in f32 for any dtype and head size and rounded to q's dtype: the oracle of the other
/// backends. On a CPU it is LibTorch's blocked implementation; on a GPU it proceeds by blocks of rows whose scores take
/// at most 512 MiB.
Attention math_attention();

/// cuDNN's fused attention on an NVIDIA GPU, for bf16 and a head size that is a multiple of 8, up to 128.
Attention cudnn_attention();

/// FlashAttention-3 on a GPU of compute capability 9.0, for bf16 and a head size that is a multiple of 8, up to 256. It
/// comes from the shared library of the Python package fa3-fwd, which needs no Python: $WANFARM_FA3 names the file
/// fa3_fwd/_C.abi3.so or the folder that holds fa3_fwd/. Throws Error(environment) when the variable is not set, or the
/// library cannot be loaded.
Attention fa3_attention();

/// Why a backend cannot be used on this device, with this dtype and head size; empty when it can.
std::string why_not_cudnn(at::Device device, at::ScalarType dtype, std::int64_t head_dim);
std::string why_not_fa3(at::Device device, at::ScalarType dtype, std::int64_t head_dim);

/// softmax(q k^T / sqrt(head_dim) + bias) v, for cross-attention to few keys. q: [batch, heads, rows, head_dim]; k, v:
/// [batch, heads, keys, head_dim]; bias: [batch, 1, 1, keys] f32, or undefined for none. Returns the shape and dtype of
/// q.
at::Tensor biased_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& bias);

}  // namespace wf
