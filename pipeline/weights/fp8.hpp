// pipeline/weights/fp8.hpp: matrices in 8 bits with a scale for each row.
#pragma once

#include <ATen/core/Tensor.h>

namespace wf {

/// A matrix that stands for weight * scale, row by row.
struct ScaledMatrix {
  at::Tensor weight;  ///< [out, in], F8_E4M3 or F8_E5M2
  at::Tensor scale;   ///< [out] f32
};

/// Rounds a f32 matrix [out, in] to F8_E4M3, each row by its own scale max|row| / 448, to nearest even. A row of zeros
/// has the scale 1; a row that holds an infinity or NaN becomes NaN.
ScaledMatrix quantise_rows(const at::Tensor& matrix);

/// The f32 values weight * scale. `scale` is a scalar or has one element for each of the weight's rows, the size of its
/// first dimension; undefined: 1.
at::Tensor widened(const at::Tensor& weight, const at::Tensor& scale);

}  // namespace wf
