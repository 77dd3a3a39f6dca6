#include "pipeline/kernels/operand.hpp"

#include <ATen/ATen.h>
#include <spdlog/spdlog.h>

#include <mutex>
#include <string_view>

#include "parallel/device.hpp"
#include "pipeline/kernels/fp8_format.hpp"
#include "pipeline/kernels/fused.hpp"

namespace wf {
namespace {

Operand in_8_bits(const at::Tensor& x) {
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor scale = wide.abs().amax(/*dim=*/-1, /*keepdim=*/true).clamp_min_(least_magnitude).div_(largest_e4m3);
  const at::Tensor scaled = (wide * scale.reciprocal()).clamp_(-largest_e4m3, largest_e4m3);
  return {scaled.to(at::kFloat8_e4m3fn), scale};
}

/// cuBLAS takes 8-bit matrices whose sizes are multiples of 16.
bool can_multiply(const Operand& x, const at::Tensor& weight, at::ScalarType result) {
  return x.values.is_cuda() && result == at::kBFloat16 && weight.size(0) % 16 == 0 && weight.size(1) % 16 == 0 &&
         x.values.numel() > 0 && why_not_fp8_products(x.values.device()).empty();
}

/// The product by cuBLAS; undefined where it has no algorithm for the sizes, which it does not say beforehand.
at::Tensor multiply(const Operand& x, const at::Tensor& weight, const at::Tensor& scale, const at::Tensor& bias) {
  try {
    return at::_scaled_mm(x.values.flatten(0, 1), weight.t(), x.scale.view({-1, 1}), scale.view({1, -1}), bias,
                          /*scale_result=*/{}, bias.scalar_type(), /*use_fast_accum=*/true);
  } catch (const c10::Error& error) {
    if (std::string_view(error.what()).find("CUBLAS_STATUS_NOT_SUPPORTED") == std::string_view::npos) throw;
    static std::once_flag once;
    std::call_once(once, [&] {
      spdlog::warn("cuBLAS has no product of 8-bit numbers for a matrix of {} x {} and {} rows: it is computed in f32",
                   weight.size(0), weight.size(1), x.scale.numel());
    });
    return {};
  }
}

}  // namespace

Operand as_operand(const at::Tensor& x, at::ScalarType dtype) {
  if (dtype != at::kFloat8_e4m3fn) return x.to(dtype);
  return fused::supports_quantise(x) ? fused::quantise_rows(x, /*through_gelu=*/false) : in_8_bits(x);
}

Operand gelu(at::Tensor x, at::ScalarType dtype) {
  if (dtype != at::kFloat8_e4m3fn) return at::gelu_(x, "tanh").to(dtype);
  return fused::supports_quantise(x) ? fused::quantise_rows(x, /*through_gelu=*/true)
                                     : in_8_bits(at::gelu(x.to(at::kFloat), "tanh"));
}

at::Tensor scaled_product(const Operand& x, const at::Tensor& weight, const at::Tensor& scale, const at::Tensor& bias) {
  const at::ScalarType result = bias.scalar_type();
  if (can_multiply(x, weight, result)) {
    const at::Tensor product = multiply(x, weight, scale, bias);
    if (product.defined()) return product.view({x.values.size(0), x.values.size(1), weight.size(0)});
  }
  const at::Tensor rows = x.values.to(at::kFloat) * x.scale;
  return at::linear(rows, weight.to(at::kFloat) * scale.unsqueeze(1), bias.to(at::kFloat)).to(result);
}

std::string why_not_fp8_products(at::Device device) {
  return device.is_cpu() ? "" : why_not_fp8_products(compute_capability(device));
}

std::string why_not_fp8_products(int capability) {
  if (capability >= 89) return "";
  return "products of 8-bit numbers need an NVIDIA GPU of compute capability 8.9 or more (Ada, Hopper, Blackwell)";
}

}  // namespace wf
