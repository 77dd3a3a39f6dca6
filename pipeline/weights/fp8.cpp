#include "pipeline/weights/fp8.hpp"

#include <ATen/ATen.h>

namespace wf {
namespace {

constexpr double largest = 448;  ///< the largest finite F8_E4M3

}  // namespace

ScaledMatrix quantise_rows(const at::Tensor& matrix) {
  const at::Tensor most = matrix.abs().amax(/*dim=*/1);
  const at::Tensor scale = at::where(most == 0, at::ones_like(most), most / largest);
  const at::Tensor scaled = at::div(matrix, scale.unsqueeze(1)).clamp_(-largest, largest);
  return {scaled.to(at::kFloat8_e4m3fn), scale};
}

at::Tensor widened(const at::Tensor& weight, const at::Tensor& scale) {
  at::Tensor wide = weight.to(at::kFloat);
  if (!scale.defined()) return wide;
  std::vector<std::int64_t> per_row(static_cast<std::size_t>(weight.dim()), 1);
  per_row.front() = scale.numel();
  return wide.mul_(scale.view(per_row));
}

}  // namespace wf
