// pipeline/kernels/widen.hpp: matrices that are kept in 8 bits, widened for a product.
#pragma once

#include <ATen/core/Tensor.h>

namespace wf {

/// weight [out, in], F8_E4M3 or F8_E5M2, times scale [out] f32 by row, computed in f32 and rounded once to `dtype`, f32
/// or bf16. On a GPU to bf16, one pass over memory where `in` is a multiple of 16.
at::Tensor widen(const at::Tensor& weight, const at::Tensor& scale, at::ScalarType dtype);

}  // namespace wf
