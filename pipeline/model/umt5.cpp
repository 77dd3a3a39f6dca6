// pipeline/model/umt5.cpp: loading and running the umT5 text encoder. Source: wan/modules/t5.py of Wan 2.2.
#include "pipeline/model/umt5.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <string>

#include "base/error.hpp"
#include "base/watched_work.hpp"
#include "pipeline/model/weight_reader.hpp"

namespace wf {
namespace {

constexpr std::int64_t kBuckets = 32;  // 16 for keys at or before the query, 16 for keys after it

Umt5Block load_block(WeightReader& reader, const std::string& name, std::int64_t dim) {
  const std::int64_t attn = reader.size(name + "attn.q.weight", 0);
  const std::int64_t ffn = reader.size(name + "ffn.fc1.weight", 0);
  const std::int64_t heads = reader.size(name + "pos_embedding.embedding.weight", 1);
  if (attn % heads != 0)
    throw Error(Error::environment, reader.where() + ": tensor " + name + "attn.q.weight: " + std::to_string(attn) +
                                        " rows do not divide into " + std::to_string(heads) + " heads");
  Umt5Block block;
  block.norm1 = reader.take(name + "norm1.weight", {dim});
  block.q = reader.take(name + "attn.q.weight", {attn, dim});
  block.k = reader.take(name + "attn.k.weight", {attn, dim});
  block.v = reader.take(name + "attn.v.weight", {attn, dim});
  block.o = reader.take(name + "attn.o.weight", {dim, attn});
  block.relative_bias = reader.take(name + "pos_embedding.embedding.weight", {kBuckets, heads});
  block.norm2 = reader.take(name + "norm2.weight", {dim});
  block.gate = reader.take(name + "ffn.gate.0.weight", {ffn, dim});
  block.up = reader.take(name + "ffn.fc1.weight", {ffn, dim});
  block.down = reader.take(name + "ffn.fc2.weight", {dim, ffn});
  return block;
}

/// The bucket of a key at `distance` (key - query): exact up to 7, then ever wider steps. The table stands for
/// 8 + floor(8 ln(n / 8) / ln 16), whose logarithms would have to be rounded exactly as the trained model's were.
std::int64_t relative_bucket(std::int64_t distance) {
  constexpr std::array<std::int64_t, 7> kSteps{12, 16, 23, 32, 46, 64, 91};
  const std::int64_t n = std::abs(distance);
  const auto step = std::upper_bound(kSteps.begin(), kSteps.end(), n) - kSteps.begin();
  return (distance > 0 ? kBuckets / 2 : 0) + (n < 8 ? n : 8 + step);
}

/// The bucket of key j seen from query i, at [i, j] of an [n, n] tensor.
at::Tensor relative_buckets(std::int64_t n, at::Device device) {
  std::vector<std::int64_t> by_distance;
  for (std::int64_t distance = 1 - n; distance < n; ++distance) by_distance.push_back(relative_bucket(distance));
  const at::Tensor position = at::arange(n, at::kLong);
  const at::Tensor distance = position.unsqueeze(0) - position.unsqueeze(1);
  return at::tensor(by_distance, at::kLong).index({distance + (n - 1)}).to(device);
}

/// Root mean square norm. The mean is f32; the quotient is rounded to x's dtype before it is multiplied by the weight.
at::Tensor normalised(const at::Tensor& x, const at::Tensor& weight) {
  const at::Tensor mean_square = x.to(at::kFloat).square().mean(-1, /*keepdim=*/true);
  return (x * at::rsqrt(mean_square + 1e-6)).to(x.scalar_type()) * weight;
}

/// Self-attention of x [n, dim]. The scores are not divided by the square root of the head size, as umT5 was trained.
at::Tensor attention(const Umt5Block& block, const at::Tensor& x, const at::Tensor& buckets) {
  const std::int64_t heads = block.relative_bias.size(1);
  const auto split = [&](const at::Tensor& weight) {  // [heads, n, head size]
    return at::linear(x, weight).unflatten(-1, {heads, -1}).transpose(0, 1);
  };
  const at::Tensor bias = block.relative_bias.index({buckets}).permute({2, 0, 1});
  const at::Tensor scores = at::matmul(split(block.q), split(block.k).transpose(1, 2)) + bias;
  const at::Tensor weights = at::softmax(scores, -1, at::kFloat).to(x.scalar_type());
  return at::linear(at::matmul(weights, split(block.v)).transpose(0, 1).flatten(1), block.o);
}

/// The tanh approximation of GELU, operation by operation: in bf16 a fused one would round differently.
at::Tensor tanh_gelu(const at::Tensor& x) {
  const double factor = std::sqrt(2.0 / std::numbers::pi);
  const at::Tensor inner = (x + at::pow(x, 3.0).mul_(0.044715)).mul_(factor);
  return (0.5 * x).mul_(inner.tanh_().add_(1.0));
}

at::Tensor feed_forward(const Umt5Block& block, const at::Tensor& x) {
  return at::linear(at::linear(x, block.up) * tanh_gelu(at::linear(x, block.gate)), block.down);
}

void check_ids(const std::vector<std::int64_t>& ids, std::int64_t vocabulary) {
  for (const std::int64_t id : ids)
    if (id < 0 || id >= vocabulary)
      throw Error(Error::environment,
                  "token id " + std::to_string(id) + " is outside of the text encoder's vocabulary of " +
                      std::to_string(vocabulary) + ": tokenizer.json and the text encoder belong to different models");
}

std::uint64_t weight_bytes(const Umt5Weights& weights) {
  std::uint64_t bytes = weights.token_embedding.nbytes() + weights.norm.nbytes();
  for (const Umt5Block& b : weights.blocks)
    for (const at::Tensor& weight : {b.norm1, b.q, b.k, b.v, b.o, b.relative_bias, b.norm2, b.gate, b.up, b.down})
      bytes += weight.nbytes();
  return bytes;
}

}  // namespace

Umt5Weights load_umt5(const NetworkWeights& files, Precision precision, at::Device device) {
  WeightReader reader(files, number_type(precision), device);
  Umt5Weights weights;
  const std::int64_t vocabulary = reader.size("token_embedding.weight", 0);
  const std::int64_t dim = reader.size("token_embedding.weight", 1);
  const std::int64_t blocks = reader.count("blocks");
  weights.token_embedding = reader.take("token_embedding.weight", {vocabulary, dim});
  for (std::int64_t i = 0; i < blocks; ++i)
    weights.blocks.push_back(load_block(reader, "blocks." + std::to_string(i) + ".", dim));
  weights.norm = reader.take("norm.weight", {dim});
  reader.expect_nothing_left("umT5");
  return weights;
}

at::Tensor umt5_encode(const Umt5Weights& weights, const std::vector<std::int64_t>& ids) {
  check_ids(ids, weights.token_embedding.size(0));
  const at::Device device = weights.token_embedding.device();
  const at::Tensor buckets = relative_buckets(static_cast<std::int64_t>(ids.size()), device);
  at::Tensor x = at::embedding(weights.token_embedding, at::tensor(ids, at::kLong).to(device));
  for (const Umt5Block& block : weights.blocks) {
    x = x + attention(block, normalised(x, block.norm1), buckets);
    x = x + feed_forward(block, normalised(x, block.norm2));
    mark_progress();  // on a CPU a long text takes many seconds
  }
  return normalised(x, weights.norm);
}

std::uint64_t umt5_bytes_needed(const Umt5Weights& weights, std::int64_t tokens) {
  if (weights.blocks.empty()) return weight_bytes(weights);
  const Umt5Block& block = weights.blocks.front();
  const std::int64_t b = static_cast<std::int64_t>(block.q.element_size()), n = tokens;
  const std::int64_t dim = block.q.size(1), attn = block.q.size(0), ffn = block.up.size(0),
                     heads = block.relative_bias.size(1);
  const std::int64_t in_attention = n * (3 * dim + 4 * attn) * b + heads * n * n * (8 + 2 * b);
  const std::int64_t in_ffn = n * (2 * dim + 4 * ffn) * b;
  return weight_bytes(weights) + static_cast<std::uint64_t>(std::max(in_attention, in_ffn) + 8 * n * n);
}

}  // namespace wf
