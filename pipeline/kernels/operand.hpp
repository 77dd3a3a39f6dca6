// pipeline/kernels/operand.hpp: what goes into a matrix product, and products whose two factors are in 8 bits.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>

namespace wf {

/// Rows of values, [batch, rows, d] in f32, bf16 or F8_E4M3. In 8 bits each row has a scale and stands for
/// values * scale.
struct Operand {
  Operand(at::Tensor of_values, at::Tensor of_scale = {})  // NOLINT(google-explicit-constructor)
      : values(std::move(of_values)), scale(std::move(of_scale)) {}

  at::Tensor values;
  at::Tensor scale;  ///< [batch, rows, 1] f32 of values in 8 bits; else undefined
};

/// x [batch, rows, d], f32 or bf16, as an operand in `dtype`: f32, bf16 or F8_E4M3. In 8 bits a row's scale is its
/// largest magnitude / 448, and values are rounded to nearest even. A row of zeros stays zeros; a row that holds
/// infinity or NaN stands for NaN. On a GPU, from bf16 to 8 bits, it is one pass over memory.
Operand as_operand(const at::Tensor& x, at::ScalarType dtype);

/// as_operand() of GELU(x), in the tanh approximation. Where x has `dtype` itself, x is overwritten. On a GPU, from
/// bf16 to 8 bits, it is one pass over memory.
Operand gelu(at::Tensor x, at::ScalarType dtype);

/// x (weight * scale)^T + bias, where x and weight are in 8 bits. weight: [out, in] F8_E4M3; scale: [out] f32; bias:
/// [out], whose dtype the result [batch, rows, out] gets. On a GPU of compute capability 8.9 or more, for
/// bf16 and sizes that are multiples of 16, the products are of 8-bit numbers, summed with the precision of its tensor
/// cores; everywhere else they are those of the f32 values that the factors stand for.
at::Tensor scaled_product(const Operand& x, const at::Tensor& weight, const at::Tensor& scale, const at::Tensor& bias);

/// Why a device cannot compute products of 8-bit numbers; empty when it can, or is a CPU.
std::string why_not_fp8_products(at::Device device);
/// The same of a GPU of this compute capability times ten.
std::string why_not_fp8_products(int capability);

}  // namespace wf
