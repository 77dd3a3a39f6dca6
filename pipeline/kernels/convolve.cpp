#include "pipeline/kernels/convolve.hpp"

#include <ATen/ATen.h>

namespace wf {

at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, at::IntArrayRef stride,
                    at::IntArrayRef padding) {
  // Left to itself LibTorch takes small f32 volumes to a path that unfolds the input 27 times; oneDNN is several times
  // faster.
  if (x.is_cpu() && x.scalar_type() == at::kFloat && at::globalContext().userEnabledMkldnn())
    return at::mkldnn_convolution(x, weight, bias, padding, stride, /*dilation=*/{1, 1, 1}, /*groups=*/1);
  return at::conv3d(x, weight, bias, stride, padding);
}

}  // namespace wf
