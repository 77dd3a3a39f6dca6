// pipeline/kernels/norm.hpp: the experts' normalisations and the elementwise operations around them. On a GPU, with a
// bf16 result, each is one pass over memory (fused.hpp); everywhere else it is made of LibTorch operations.
#pragma once

#include <ATen/core/Tensor.h>

namespace wf {

/// LayerNorm(x) * (1 + scale) + shift, computed in f32 and rounded to the dtype `result`. x: [batch, rows, d] f32 or
/// bf16, possibly some rows of a longer sequence; shift, scale: [1 or batch, 1, d] f32. For a bf16 x the normalised
/// value is rounded to bf16 before it is modulated, as the official code does in the first block.
at::Tensor modulated_norm(const at::Tensor& x, const at::Tensor& shift, const at::Tensor& scale, double eps,
                          at::ScalarType result);

/// LayerNorm(x) * weight + bias, computed in f32 and rounded to the dtype `result`. x: [batch, rows, d] f32; weight,
/// bias: [d] f32.
at::Tensor affine_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double eps,
                       at::ScalarType result);

/// z * rsqrt(mean(z^2) + eps) over the last dimension, computed in f32 and rounded to z's dtype, then multiplied by
/// weight [d] of that dtype. z: [batch, rows, d]; its rows need not be adjacent in memory.
at::Tensor rms_norm(const at::Tensor& z, const at::Tensor& weight, double eps);

/// x + y * gate [batch, rows, d], computed in f32. y: any dtype; gate: [1 or batch, 1, d] f32, or undefined for 1. An
/// f32 x is overwritten by the sum, which is returned.
at::Tensor add_gated(const at::Tensor& x, const at::Tensor& y, const at::Tensor& gate);

}  // namespace wf
