#include "pipeline/kernels/attention.hpp"

#include <ATen/ATen.h>

#include <cmath>
#include <optional>

namespace wf {
namespace {

AttentionResult blocked_on_cpu(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  auto [out, lse] = at::_scaled_dot_product_flash_attention_for_cpu(q, k, v);
  return {out, lse};
}

/// Every score at once: the plain formula, for any device.
AttentionResult all_scores(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(q.size(-1)));
  const at::Tensor scores = at::matmul(q, k.transpose(-2, -1)).to(at::kFloat).mul_(scale);
  const at::Tensor lse = scores.logsumexp(-1);
  return {at::matmul(at::exp(scores - lse.unsqueeze(-1)).to(v.scalar_type()), v), lse};
}

}  // namespace

Attention math_attention() {
  return [](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool with_lse) -> AttentionResult {
    if (q.is_cpu()) return blocked_on_cpu(q, k, v);
    if (with_lse) return all_scores(q, k, v);
    return {at::scaled_dot_product_attention(q, k, v), {}};
  };
}

at::Tensor biased_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& bias) {
  if (!bias.defined()) return at::scaled_dot_product_attention(q, k, v);
  return at::scaled_dot_product_attention(q, k, v, q.is_cpu() ? bias : bias.to(q.scalar_type()));
}

}  // namespace wf
