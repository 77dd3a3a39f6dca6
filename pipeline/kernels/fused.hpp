// pipeline/kernels/fused.hpp: the one-pass GPU kernels behind norm.hpp, heads.hpp, operand.hpp and widen.hpp, which
// document the formulas, shapes and dtypes of the functions of the same names.
#pragma once

#include <ATen/core/Tensor.h>

#include "pipeline/kernels/heads.hpp"
#include "pipeline/kernels/heads_fp8.hpp"
#include "pipeline/kernels/norm.hpp"
#include "pipeline/kernels/operand.hpp"

namespace wf::fused {

/// Whether these kernels can compute on the rows of x [batch, rows, d]: x is on a GPU and not empty, the result is
/// bf16 or F8_E4M3, and d is a multiple of 8, at most 20480. The functions below require it; they throw Error(internal)
/// when another argument has a dtype or stride that they do not take. Only the norms have a result in 8 bits.
bool supports(const at::Tensor& x, at::ScalarType result);

Operand modulated_norm(at::Tensor& x, const Branch& branch, const at::Tensor& shift, const at::Tensor& scale,
                       double eps, at::ScalarType result);
Operand affine_norm(at::Tensor& x, const Branch& branch, const at::Tensor& weight, const at::Tensor& bias, double eps,
                    at::ScalarType result);
at::Tensor rms_norm(const at::Tensor& z, const at::Tensor& weight, double eps);
void write_heads(const at::Tensor& z, const HeadNorms& norms, const at::Tensor& angles, const HeadBlocks& blocks,
                 std::int64_t first_row);
/// Whether quantise_rows() can compute: supports() says so, and x is bf16 with dense rows.
bool supports_quantise(const at::Tensor& x);
/// as_operand() or, through_gelu, gelu() of bf16 rows to 8 bits.
Operand quantise_rows(const at::Tensor& x, bool through_gelu);
/// Whether quantise_keys() and with_queries() can compute with q, k or v: it is bf16 on a GPU, not empty, with heads of
/// 64, 128 or 256, in the memory order [batch, rows, heads, head_dim], where rows and samples may be apart.
bool supports_quantise_heads(const at::Tensor& x);
Fp8Heads quantise_keys(const at::Tensor& k, const at::Tensor& v);
Fp8Heads with_queries(Fp8Heads keys, const at::Tensor& q);
/// Whether quantise_projection() can compute: z [batch, rows, 3d] is bf16 on a GPU, dense and not empty, with heads of
/// 64, 128 or 256, and supports() its parts.
bool supports_quantise_projection(const at::Tensor& z, std::int64_t head_dim);
Fp8Heads quantise_projection(const at::Tensor& z, const HeadNorms& norms, const at::Tensor& angles,
                             std::int64_t head_dim);
/// Whether add_mean() can compute: x is bf16 on a GPU, not empty, dense in the memory order [batch, rows, heads,
/// head_dim], and supports() its rows.
bool supports_add_mean(const at::Tensor& x);
void add_mean(const at::Tensor& x, const at::Tensor& mean);
/// Whether widen() below can compute: the matrix is on a GPU and not empty, its rows are multiples of 16 values, and
/// the result is bf16.
bool supports_widen(const at::Tensor& weight, at::ScalarType result);
at::Tensor widen(const at::Tensor& weight, const at::Tensor& scale);
at::Tensor add_gated(const at::Tensor& x, const at::Tensor& y, const at::Tensor& gate);

}  // namespace wf::fused
