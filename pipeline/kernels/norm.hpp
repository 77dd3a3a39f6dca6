// pipeline/kernels/norm.hpp: the experts' normalisations and the elementwise operations around them. On a GPU, with a
// result in bf16 or 8 bits, each is one pass over memory (fused.hpp); everywhere else it is made of LibTorch
// operations.
#pragma once

#include <ATen/core/Tensor.h>

#include "pipeline/kernels/operand.hpp"

namespace wf {

/// What a branch of a block adds to the residual stream: y * gate, as in add_gated(). An undefined y adds nothing.
struct Branch {
  at::Tensor y, gate;
};

/// x = add_gated(x, branch), and then LayerNorm(x) * (1 + scale) + shift, computed in f32 and rounded to the dtype
/// `result` as as_operand() does. x: [batch, rows, d] f32 or bf16, possibly some rows of a longer sequence, which then
/// are f32 or have nothing added; shift, scale: [1 or batch, 1, d] f32. For a bf16 x to which nothing is added, the
/// normalised value is rounded to bf16 before it is modulated, as the official code does in the first block.
Operand modulated_norm(at::Tensor& x, const Branch& branch, const at::Tensor& shift, const at::Tensor& scale,
                       double eps, at::ScalarType result);

/// x = add_gated(x, branch), and then LayerNorm(x) * weight + bias, computed in f32 and rounded to the dtype `result`
/// as as_operand() does. x: [batch, rows, d]; weight, bias: [d] f32.
Operand affine_norm(at::Tensor& x, const Branch& branch, const at::Tensor& weight, const at::Tensor& bias, double eps,
                    at::ScalarType result);

/// z * rsqrt(mean(z^2) + eps) over the last dimension, computed in f32 and rounded to z's dtype, then multiplied by
/// weight [d] of that dtype. z: [batch, rows, d]; its rows need not be adjacent in memory.
at::Tensor rms_norm(const at::Tensor& z, const at::Tensor& weight, double eps);

/// x + y * gate [batch, rows, d], computed in f32. y: any dtype; gate: [1 or batch, 1, d] f32, or undefined for 1. An
/// f32 x is overwritten by the sum, which is returned.
at::Tensor add_gated(const at::Tensor& x, const at::Tensor& y, const at::Tensor& gate);

}  // namespace wf
