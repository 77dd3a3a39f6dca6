#include "pipeline/kernels/rotate.hpp"

#include <ATen/ATen.h>

#include "pipeline/kernels/fused.hpp"
#include "pipeline/kernels/norm.hpp"

namespace wf {

at::Tensor rotate(const at::Tensor& z, const at::Tensor& angles) {
  const std::int64_t batch = z.size(0), rows = z.size(1), heads = z.size(2), pairs = z.size(3) / 2;
  const at::Tensor complex = at::view_as_complex(z.to(at::kFloat).view({batch, rows, heads, pairs, 2}));
  const at::Tensor turned = at::view_as_real(at::mul(complex, angles.view({1, rows, 1, pairs})));
  return turned.flatten(3).to(z.scalar_type());
}

at::Tensor rotated_heads(const at::Tensor& z, const at::Tensor& weight, double eps, std::int64_t heads,
                         const at::Tensor& angles) {
  // A vector of 8 values must not reach into the next head.
  if (fused::take(z, z.scalar_type()) && (z.size(2) / heads) % 8 == 0)
    return fused::rotated_heads(z, weight, eps, heads, angles);
  return rotate(rms_norm(z, weight, eps).unflatten(-1, {heads, -1}), angles);
}

}  // namespace wf
