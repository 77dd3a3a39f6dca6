// pipeline/kernels/norm.hpp: normalisations and the elementwise steps around them, as the experts use them. On a GPU
// with a bf16 result each is one pass over memory (fused.hpp); everywhere else it is put together from LibTorch's
// operations.
#pragma once

#include <ATen/core/Tensor.h>

namespace wf {

/// LayerNorm(x) * (1 + scale) + shift in f32, then rounded to `result`. x [batch, rows, d] f32 or bf16, perhaps some
/// rows of a longer sequence; shift, scale [1 or batch, 1, d] f32. A bf16 x rounds the normalised value to bf16 before
/// it is modulated: the official code's order for the first block.
at::Tensor modulated_norm(const at::Tensor& x, const at::Tensor& shift, const at::Tensor& scale, double eps,
                          at::ScalarType result);

/// LayerNorm(x) * weight + bias in f32, then rounded to `result`. x [batch, rows, d] f32; weight, bias [d] f32.
at::Tensor affine_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double eps,
                       at::ScalarType result);

/// z * rsqrt(mean(z^2) + eps) over the last dimension in f32, rounded to z's dtype, then times weight [d] of that
/// dtype. The rows of z may lie apart.
at::Tensor rms_norm(const at::Tensor& z, const at::Tensor& weight, double eps);

/// x + y * gate in f32. y of any dtype; gate [1 or batch, 1, d] f32, or undefined for 1. An f32 x is changed in place;
/// the sum is returned.
at::Tensor add_gated(const at::Tensor& x, const at::Tensor& y, const at::Tensor& gate);

}  // namespace wf
