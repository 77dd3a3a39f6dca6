#include "pipeline/kernels/rotate.hpp"

#include <ATen/ATen.h>

namespace wf {

at::Tensor rotate(const at::Tensor& z, const at::Tensor& angles) {
  const std::int64_t batch = z.size(0), rows = z.size(1), heads = z.size(2), pairs = z.size(3) / 2;
  const at::Tensor complex = at::view_as_complex(z.to(at::kFloat).view({batch, rows, heads, pairs, 2}));
  const at::Tensor turned = at::view_as_real(at::mul(complex, angles.view({1, rows, 1, pairs})));
  return turned.flatten(3).to(z.scalar_type());
}

}  // namespace wf
