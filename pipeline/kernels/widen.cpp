#include "pipeline/kernels/widen.hpp"

#include <ATen/ATen.h>

#include "pipeline/kernels/fused.hpp"

namespace wf {

at::Tensor widen(const at::Tensor& weight, const at::Tensor& scale, at::ScalarType dtype) {
  if (fused::supports_widen(weight, dtype)) return fused::widen(weight, scale);
  return weight.to(at::kFloat).mul_(scale.unsqueeze(1)).to(dtype);
}

}  // namespace wf
