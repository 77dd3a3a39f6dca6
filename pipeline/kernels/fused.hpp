// pipeline/kernels/fused.hpp: the one-pass GPU kernels behind norm.hpp, heads.hpp and widen.hpp, which document the
// formulas,
// shapes and dtypes of the functions of the same names.
#pragma once

#include <ATen/core/Tensor.h>

#include "pipeline/kernels/heads.hpp"

namespace wf::fused {

/// Whether these kernels can compute on the rows of x [batch, rows, d]: x is on a GPU and not empty, the result is
/// bf16, and d is a multiple of 8, at most 40960. The functions below require it; they throw Error(internal) when
/// another argument has a dtype or stride that they do not take.
bool supports(const at::Tensor& x, at::ScalarType result);

at::Tensor modulated_norm(const at::Tensor& x, const at::Tensor& shift, const at::Tensor& scale, double eps);
at::Tensor affine_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double eps);
at::Tensor rms_norm(const at::Tensor& z, const at::Tensor& weight, double eps);
void write_heads(const at::Tensor& z, const HeadNorms& norms, const at::Tensor& angles, const HeadBlocks& blocks,
                 std::int64_t first_row);
/// Whether widen() below can compute: the matrix is on a GPU and not empty, its rows are multiples of 16 values, and
/// the result is bf16.
bool supports_widen(const at::Tensor& weight, at::ScalarType result);
at::Tensor widen(const at::Tensor& weight, const at::Tensor& scale);
at::Tensor add_gated(const at::Tensor& x, const at::Tensor& y, const at::Tensor& gate);

}  // namespace wf::fused
