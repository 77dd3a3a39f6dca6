#include "pipeline/kernels/attention.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "parallel/device.hpp"
#include "pipeline/kernels/heads_fp8.hpp"

namespace wf {
namespace {

/// Limit for the scores of one block of rows on a GPU.
constexpr std::int64_t most_score_bytes = 512ll << 20;

AttentionResult blocked_on_cpu(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  auto [out, lse] = at::_scaled_dot_product_flash_attention_for_cpu(q, k, v);
  return {out, lse};
}

/// Attention of some rows, with all their scores in memory at once. keys, values: f32.
AttentionResult rows_of_scores(const at::Tensor& q, const at::Tensor& keys, const at::Tensor& values) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(q.size(-1)));
  at::Tensor scores = at::matmul(q.to(at::kFloat).mul_(scale), keys.transpose(-2, -1));
  // In place: logsumexp() would make a copy of the scores.
  const at::Tensor highest = scores.amax(-1, /*keepdim=*/true);
  const at::Tensor sum = scores.sub_(highest).exp_().sum(-1, /*keepdim=*/true);
  const at::Tensor out = at::matmul(scores, values).div_(sum);
  return {out.to(q.scalar_type()), sum.log().add_(highest).squeeze(-1)};
}

AttentionResult blocks_of_rows(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const at::Tensor keys = k.to(at::kFloat), values = v.to(at::kFloat);
  const std::int64_t row_bytes = 4 * q.size(0) * q.size(1) * k.size(2);
  const std::int64_t rows = std::max<std::int64_t>(1, most_score_bytes / std::max<std::int64_t>(row_bytes, 1));
  std::vector<at::Tensor> outs, lses;
  for (const at::Tensor& block : q.split(rows, /*dim=*/2)) {
    const AttentionResult result = rows_of_scores(block.clone(), keys, values);
    outs.push_back(result.out);
    lses.push_back(result.lse);
  }
  return {at::cat(outs, 2), at::cat(lses, 2)};
}

}  // namespace

Attention math_attention() {
  return [](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool) {
    return q.is_cpu() ? blocked_on_cpu(q, k, v) : blocks_of_rows(q, k, v);
  };
}

Attention cudnn_attention() {
  return [](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool with_lse) -> AttentionResult {
    const auto result = at::_scaled_dot_product_cudnn_attention(q, k, v, /*attn_bias=*/{}, with_lse);
    return {std::get<0>(result), with_lse ? std::get<1>(result).view(q.sizes().slice(0, 3)) : at::Tensor()};
  };
}

SelfAttention attention_in_8_bits(Fp8Attention to_heads, Attention exact) {
  const auto of_heads = [to_heads](const Fp8Heads& heads, at::ScalarType dtype, bool with_lse) {
    const AttentionResult result = to_heads(heads, dtype, with_lse);
    add_mean(result.out, heads.v_mean);
    return result;
  };
  const auto to = [of_heads](const Fp8Heads& keys) {
    return [of_heads, keys](const at::Tensor& q, bool with_lse) {
      AttentionResult result = of_heads(with_queries(keys, q), q.scalar_type(), with_lse);
      if (with_lse) result.lse = result.lse + subtracted_score(q, keys);
      return result;
    };
  };
  const KeyPacking packing{
      .pack = pack_keys, .numel = packed_numel, .over = [to](const at::Tensor& packed, at::IntArrayRef sizes) {
        return to(unpack_keys(packed, sizes));
      }};
  const Attention of_rows([to](const at::Tensor& k, const at::Tensor& v) { return to(quantise_keys(k, v)); }, packing);
  return {of_rows, [of_heads](const Fp8Heads& heads) { return of_heads(heads, at::kBFloat16, false).out; },
          std::move(exact)};
}

SelfAttention rounded_attention(Attention inner) {
  const auto of_heads = [inner](const Fp8Heads& heads, at::ScalarType dtype, bool with_lse) {
    const auto kept = [&](const at::Tensor& x, const at::Tensor& scale) {
      return (x.to(at::kFloat) * scale.unsqueeze(-1).unsqueeze(-1)).to(dtype);
    };
    return inner(kept(heads.q, heads.q_scale), kept(heads.k, heads.k_scale), kept(heads.v, heads.v_scale), with_lse);
  };
  return attention_in_8_bits(of_heads, inner);
}

std::string why_not_cudnn(at::Device device, at::ScalarType dtype, std::int64_t head_dim) {
  if (compute_capability(device) < 80) return "it needs an NVIDIA GPU of compute capability 8.0 or more";
  if (dtype != at::kBFloat16) return "it computes in bf16 (--precision exact)";
  if (head_dim % 8 != 0 || head_dim > 128)
    return "it takes heads of a multiple of 8 up to 128, not of " + std::to_string(head_dim);
  return "";
}

at::Tensor biased_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& bias) {
  if (!bias.defined()) return at::scaled_dot_product_attention(q, k, v);
  return at::scaled_dot_product_attention(q, k, v, q.is_cpu() ? bias : bias.to(q.scalar_type()));
}

}  // namespace wf
