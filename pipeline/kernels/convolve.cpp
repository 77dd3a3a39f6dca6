#include "pipeline/kernels/convolve.hpp"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <utility>

namespace wf {
namespace {

/// Whether oneDNN computes in bf16 on this processor: the check that LibTorch itself makes. A build without oneDNN does
/// not have the operator.
bool onednn_supports_bf16() {
  static const bool supports = [] {
    const auto check = c10::Dispatcher::singleton().findSchema({"mkldnn::_is_mkldnn_bf16_supported", ""});
    return check.has_value() && check->typed<bool()>().call();
  }();
  return supports;
}

/// A bf16 convolution computed in f32. bf16 numbers and their products are exact in f32, so that only the sum is
/// rounded, as in oneDNN's bf16 convolution. At most three feature tensors are alive: each is freed as soon as the next
/// one exists.
at::Tensor convolve_widened(at::Tensor x, const at::Tensor& weight, const at::Tensor& bias, at::IntArrayRef stride,
                            at::IntArrayRef padding) {
  x = x.to(at::kFloat);
  x = convolve(std::move(x), weight.to(at::kFloat), bias.to(at::kFloat), stride, padding);
  return x.to(at::kBFloat16);
}

}  // namespace

at::Tensor convolve(at::Tensor x, const at::Tensor& weight, const at::Tensor& bias, at::IntArrayRef stride,
                    at::IntArrayRef padding) {
  if (convolution_copies(x.device(), x.scalar_type(), /*tf32=*/false) == ConvolutionCopies::widened)
    return convolve_widened(std::move(x), weight, bias, stride, padding);
  if (x.dim() == 4) return at::conv2d(x, weight, bias, stride, padding);
  // For small f32 volumes LibTorch would choose a path that unfolds the input 27-fold; oneDNN is several times faster.
  if (x.is_cpu() && x.scalar_type() == at::kFloat && at::globalContext().userEnabledMkldnn())
    return at::mkldnn_convolution(x, weight, bias, padding, stride, /*dilation=*/{1, 1, 1}, /*groups=*/1);
  return at::conv3d(x, weight, bias, stride, padding);
}

ConvolutionCopies convolution_copies(at::Device device, at::ScalarType dtype, bool tf32) {
  if (device.is_cpu())
    return dtype == at::kBFloat16 && !onednn_supports_bf16() ? ConvolutionCopies::widened : ConvolutionCopies::none;
  return dtype == at::kFloat && !tf32 ? ConvolutionCopies::reordered : ConvolutionCopies::none;
}

}  // namespace wf
