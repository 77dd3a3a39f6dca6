#include "pipeline/kernels/heads_fp8.hpp"

#include <ATen/ATen.h>

#include <cmath>
#include <utility>

#include "pipeline/kernels/fp8_format.hpp"
#include "pipeline/kernels/fused.hpp"
#include "pipeline/kernels/norm.hpp"

namespace wf {
namespace {

/// The orthogonal Hadamard matrix of n = 2^m rows: 1 or -1 by the parity of the bits that row and column share.
at::Tensor hadamard(std::int64_t n) {
  at::Tensor matrix = at::ones({1, 1});
  for (std::int64_t size = 1; size < n; size *= 2)
    matrix = at::cat({at::cat({matrix, matrix}, 1), at::cat({matrix, -matrix}, 1)});
  return matrix / std::sqrt(static_cast<double>(n));
}

/// The least power of 2 by which magnitudes up to `most` are divided to be below 448. `most` that is not finite stays
/// so.
at::Tensor power_of_2(const at::Tensor& most) {
  const auto [mantissa, exponent] = at::frexp(most.clamp_min(least_magnitude) / largest_e4m3);
  return at::where(at::isfinite(most), at::ldexp(at::ones_like(most), exponent), most);
}

/// x [batch, heads, rows, head_dim] f32 by a scale for each head.
at::Tensor rounded(const at::Tensor& x, const at::Tensor& scale) {
  const at::Tensor scaled = x / scale.unsqueeze(-1).unsqueeze(-1);
  return scaled.clamp_(-largest_e4m3, largest_e4m3).to(at::kFloat8_e4m3fn);
}

/// The mean of the sampled ones of the rows x [batch, heads, keys, head_dim] of k or v.
at::Tensor sample_mean(const at::Tensor& x) {
  const std::int64_t keys = x.size(2);
  if (sample_size(keys) == keys) return x.mean(/*dim=*/2);
  const at::Tensor sample = at::empty({sample_size(keys)}, at::kLong);
  for (std::int64_t i = 0; i < sample.numel(); ++i) sample.data_ptr<std::int64_t>()[i] = sampled_row(i, keys);
  return x.index_select(2, sample.to(x.device())).mean(/*dim=*/2);
}

/// The largest norm of a row of each head.
at::Tensor largest_norm(const at::Tensor& x) { return at::linalg_vector_norm(x, 2, at::IntArrayRef{-1}).amax(-1); }

// The means and scales are set; what they are applied to is f32 [batch, heads, rows, head_dim].
void round_queries(Fp8Heads& heads, const at::Tensor& q) { heads.q = rounded(rotate_heads(q), heads.q_scale); }
void round_keys(Fp8Heads& heads, const at::Tensor& k, const at::Tensor& v) {
  heads.k = rounded(rotate_heads(k - heads.k_mean.unsqueeze(2)), heads.k_scale);
  heads.v = rounded(v - heads.v_mean.unsqueeze(2), heads.v_scale);
}

at::Tensor largest_magnitude(const at::Tensor& v) { return v.abs().amax(at::IntArrayRef{2, 3}); }

/// The scale of each head for the largest norm that its part of a normed row can have: RMSNorm leaves a row of d
/// channels with a norm of at most the root of d, before its weights [d].
at::Tensor scale_of_norms(const at::Tensor& weight, std::int64_t head_dim, double factor) {
  const at::Tensor most = weight.to(at::kFloat).abs().unflatten(0, {-1, head_dim}).amax(-1);
  return power_of_2(most * (factor * std::sqrt(static_cast<double>(weight.numel()))));
}

}  // namespace

at::Tensor rotate_heads(const at::Tensor& x) {
  const std::int64_t head_dim = x.size(-1), n = head_dim & -head_dim;
  const at::Tensor parts = x.to(at::kFloat).unflatten(-1, {head_dim / n, n});
  return at::matmul(parts, hadamard(n).to(x.device())).flatten(-2);
}

Fp8Heads quantise_keys(const at::Tensor& k, const at::Tensor& v) {
  if (fused::supports_quantise_heads(k) && fused::supports_quantise_heads(v)) return fused::quantise_keys(k, v);
  const at::Tensor wide_k = k.to(at::kFloat), wide_v = v.to(at::kFloat);
  Fp8Heads heads;
  heads.k_mean = sample_mean(wide_k);
  heads.v_mean = sample_mean(wide_v);
  // Subtracting a mean of rows makes no row more than twice as long as the longest, and no number more than twice as
  // large as the largest.
  heads.k_scale = power_of_2(2 * largest_norm(wide_k));
  heads.v_scale = power_of_2(2 * largest_magnitude(wide_v));
  round_keys(heads, wide_k, wide_v);
  return heads;
}

Fp8Heads with_queries(Fp8Heads keys, const at::Tensor& q) {
  if (fused::supports_quantise_heads(q)) return fused::with_queries(std::move(keys), q);
  const at::Tensor wide = q.to(at::kFloat);
  keys.q_scale = power_of_2(largest_norm(wide));
  round_queries(keys, wide);
  return keys;
}

Fp8Heads quantise_heads(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  return with_queries(quantise_keys(k, v), q);
}

std::int64_t packed_numel(at::IntArrayRef sizes) {
  constexpr std::int64_t f32 = 4;
  if (c10::multiply_integers(sizes) == 0) return 0;
  const std::int64_t heads = sizes[1] * sizes[3];
  return c10::multiply_integers(sizes) + f32 * heads * (2 + 2 * sizes[4]);  // scales and means
}

at::Tensor pack_keys(const at::Tensor& kv) {
  const at::TensorOptions bytes = kv.options().dtype(at::kByte);
  if (kv.numel() == 0) return at::empty({0}, bytes);
  const Fp8Heads keys = quantise_keys(kv[0].transpose(1, 2), kv[1].transpose(1, 2));
  const auto rows_first = [](const at::Tensor& x) { return x.view(at::kByte).transpose(1, 2).reshape(-1); };
  const auto flat = [](const at::Tensor& x) { return x.contiguous().view(at::kByte).view(-1); };
  // The means are read 16 bytes at a time. Behind the scales they would not always begin where that is possible.
  return at::cat({rows_first(keys.k), rows_first(keys.v), flat(keys.k_mean), flat(keys.v_mean), flat(keys.k_scale),
                  flat(keys.v_scale)});
}

Fp8Heads unpack_keys(const at::Tensor& packed, at::IntArrayRef sizes) {
  const std::int64_t batch = sizes[1], heads = sizes[3], head_dim = sizes[4];
  std::int64_t at = 0;
  const auto next = [&](std::int64_t bytes) { return packed.narrow(0, std::exchange(at, at + bytes), bytes); };
  const auto values = [&] {
    return next(batch * sizes[2] * heads * head_dim).view(at::kFloat8_e4m3fn).view(sizes.slice(1)).transpose(1, 2);
  };
  const auto floats = [&](at::IntArrayRef of) {
    return next(4 * c10::multiply_integers(of)).view(at::kFloat).view(of);
  };
  Fp8Heads keys;
  keys.k = values();
  keys.v = values();
  keys.k_mean = floats({batch, heads, head_dim});
  keys.v_mean = floats({batch, heads, head_dim});
  keys.k_scale = floats({batch, heads});
  keys.v_scale = floats({batch, heads});
  return keys;
}

Fp8Heads quantise_projection(const at::Tensor& z, const HeadNorms& norms, const at::Tensor& angles,
                             std::int64_t head_dim) {
  if (fused::supports_quantise_projection(z, head_dim)) return fused::quantise_projection(z, norms, angles, head_dim);
  const std::vector<at::Tensor> parts = z.chunk(3, -1);
  const auto by_head = [&](const at::Tensor& x) { return x.unflatten(-1, {-1, head_dim}).to(at::kFloat); };
  const at::Tensor q = rotate(by_head(rms_norm(parts[0], norms.q, norms.eps)), angles).transpose(1, 2);
  const at::Tensor k = rotate(by_head(rms_norm(parts[1], norms.k, norms.eps)), angles).transpose(1, 2);
  const at::Tensor v = by_head(parts[2]).transpose(1, 2);
  Fp8Heads heads;
  heads.k_mean = sample_mean(k);
  heads.v_mean = sample_mean(v);
  heads.q_scale = scale_of_norms(norms.q, head_dim, 1).expand({z.size(0), -1});
  heads.k_scale = scale_of_norms(norms.k, head_dim, 2).expand({z.size(0), -1});
  heads.v_scale = power_of_2(2 * largest_magnitude(v));
  round_queries(heads, q);
  round_keys(heads, k, v);
  return heads;
}

void add_mean(const at::Tensor& x, const at::Tensor& mean) {
  if (fused::supports_add_mean(x)) return fused::add_mean(x, mean);
  x.add_(mean.unsqueeze(2));
}

at::Tensor subtracted_score(const at::Tensor& q, const Fp8Heads& heads) {
  const double scale = 1 / std::sqrt(static_cast<double>(q.size(-1)));
  return at::matmul(q.to(at::kFloat), heads.k_mean.unsqueeze(-1)).squeeze(-1).mul_(scale);
}

}  // namespace wf
