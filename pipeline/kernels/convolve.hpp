// pipeline/kernels/convolve.hpp: the VAE's convolutions.
#pragma once

#include <ATen/core/Tensor.h>

namespace wf {

/// Cross-correlation of x [1, C, t, h, w] with weight [O, C, kt, kh, kw], plus bias [O]; zeros around by `padding`.
/// The result keeps x's memory order.
at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, at::IntArrayRef stride,
                    at::IntArrayRef padding);

}  // namespace wf
