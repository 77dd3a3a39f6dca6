// pipeline/kernels/fused.hpp: one-pass GPU kernels behind norm.hpp and heads.hpp, which say what they compute.
#pragma once

#include <ATen/core/Tensor.h>

#include "pipeline/kernels/heads.hpp"

namespace wf::fused {

/// Whether these kernels compute on rows of x: on a GPU, a bf16 result, rows of a multiple of 8 values.
bool take(const at::Tensor& x, at::ScalarType result);

at::Tensor modulated_norm(const at::Tensor& x, const at::Tensor& shift, const at::Tensor& scale, double eps);
at::Tensor affine_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double eps);
at::Tensor rms_norm(const at::Tensor& z, const at::Tensor& weight, double eps);
void write_heads(const at::Tensor& z, const HeadNorms& norms, const at::Tensor& angles, const HeadBlocks& blocks,
                 std::int64_t first_row);
at::Tensor add_gated(const at::Tensor& x, const at::Tensor& y, const at::Tensor& gate);

}  // namespace wf::fused
