#include "pipeline/kernels/norm.hpp"

#include <ATen/ATen.h>

#include "pipeline/kernels/fused.hpp"

namespace wf {
namespace {

void add(at::Tensor& x, const Branch& branch) {
  if (branch.y.defined()) x = add_gated(x, branch.y, branch.gate);
}

}  // namespace

Operand modulated_norm(at::Tensor& x, const Branch& branch, const at::Tensor& shift, const at::Tensor& scale,
                       double eps, at::ScalarType result) {
  if (fused::supports(x, result)) return fused::modulated_norm(x, branch, shift, scale, eps, result);
  add(x, branch);
  const std::int64_t d = x.size(-1);
  const at::Tensor gain = scale + 1;
  if (x.scalar_type() == at::kFloat && scale.numel() == d)  // one pass: the modulation is an affine LayerNorm's
    return as_operand(at::layer_norm(x, {d}, gain.view({d}), shift.reshape({d}), eps), result);
  const at::Tensor normed = at::layer_norm(x.to(at::kFloat), {d}, {}, {}, eps).to(x.scalar_type()).to(at::kFloat);
  return as_operand(at::addcmul(shift, normed, gain), result);
}

Operand affine_norm(at::Tensor& x, const Branch& branch, const at::Tensor& weight, const at::Tensor& bias, double eps,
                    at::ScalarType result) {
  if (fused::supports(x, result)) return fused::affine_norm(x, branch, weight, bias, eps, result);
  add(x, branch);
  return as_operand(at::layer_norm(x, {x.size(-1)}, weight, bias, eps), result);
}

at::Tensor rms_norm(const at::Tensor& z, const at::Tensor& weight, double eps) {
  if (fused::supports(z, z.scalar_type())) return fused::rms_norm(z, weight, eps);
  const at::Tensor wide = z.to(at::kFloat);
  // The vector norm reads z once and makes no copy of its squares.
  const at::Tensor norm = at::linalg_vector_norm(wide, 2, at::IntArrayRef{-1}, /*keepdim=*/true);
  const at::Tensor factor = norm.square_().div_(static_cast<double>(z.size(-1))).add_(eps).rsqrt_();
  return at::mul(wide, factor).to(z.scalar_type()).mul_(weight);
}

at::Tensor add_gated(const at::Tensor& x, const at::Tensor& y, const at::Tensor& gate) {
  if (fused::supports(y, y.scalar_type())) return fused::add_gated(x, y, gate);
  if (!gate.defined()) return x.scalar_type() == at::kFloat ? x.add_(y) : at::add(x.to(at::kFloat), y);
  if (x.scalar_type() != at::kFloat) return at::addcmul(x.to(at::kFloat), y.to(at::kFloat), gate);
  return x.addcmul_(y.to(at::kFloat), gate);
}

}  // namespace wf
