// tests/gpu/attention_cases.hpp: what holds for every attention backend on a GPU: it equals the formula in double
// within the rounding of bf16, also its lse, for merged parts of the keys, and for views with gaps; two runs give the
// same bits.
#pragma once

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "pipeline/execution.hpp"
#include "tests/golden.hpp"

namespace wf {

inline Execution on_gpu(Precision precision) {
  Execution execution;
  execution.precision = precision;
  execution.device = execution.text_device = test::device();
  return execution;
}

constexpr double bf16_rounding = 1.0 / 256;  ///< relative rounding error of one value

/// Arguments of an attention: q [batch, heads, rows, head_dim], k and v [batch, heads, keys, head_dim], bf16.
struct AttentionCase {
  std::string name;
  at::Tensor q, k, v;
};

inline AttentionCase dense_case(std::int64_t batch, std::int64_t heads, std::int64_t rows, std::int64_t keys,
                                std::int64_t head_dim) {
  const auto draw = [&](std::int64_t n) {
    return at::randn({batch, heads, n, head_dim}, at::device(test::device()).dtype(at::kBFloat16));
  };
  const auto text = [](std::int64_t number) { return std::to_string(number); };
  return {text(batch) + " x " + text(heads) + " heads of " + text(head_dim) + ", " + text(rows) + " x " + text(keys),
          draw(rows), draw(keys), draw(keys)};
}

/// As in a DiT block: q and k have dense rows, v is a part of the joined projection. All have gaps between the rows of
/// a head.
inline AttentionCase joined_case(std::int64_t batch, std::int64_t heads, std::int64_t rows, std::int64_t head_dim) {
  const at::Tensor joined =
      at::randn({batch, rows, 3 * heads * head_dim}, at::device(test::device()).dtype(at::kBFloat16));
  const std::vector<at::Tensor> parts = joined.chunk(3, -1);
  const auto split = [&](const at::Tensor& x) { return x.unflatten(-1, {heads, head_dim}).transpose(1, 2); };
  return {"parts of a joined projection", split(parts[0].contiguous()), split(parts[1]), split(parts[2])};
}

inline std::vector<AttentionCase> attention_cases() {
  at::manual_seed(23);
  std::vector<AttentionCase> cases;
  for (const std::int64_t rows : {1, 77, 4096, 5000}) cases.push_back(dense_case(1, 2, rows, rows, 128));
  for (const std::int64_t keys : {1, 513, 5000}) cases.push_back(dense_case(2, 2, 300, keys, 128));
  for (const std::int64_t head_dim : {32, 64}) cases.push_back(dense_case(2, 3, 1000, 777, head_dim));
  for (const std::int64_t batch : {1, 2}) cases.push_back(joined_case(batch, 5, 1003, 128));
  return cases;
}

/// The formula in double. Rounding errors of `out` are relative to `mass`, the sum over keys of p |v|.
struct AttentionOracle {
  at::Tensor out, mass, lse;
  explicit AttentionOracle(const AttentionCase& c) {
    const at::Tensor q = c.q.to(at::kDouble), k = c.k.to(at::kDouble), v = c.v.to(at::kDouble);
    const at::Tensor scores = at::matmul(q, k.transpose(-2, -1)) / std::sqrt(static_cast<double>(q.size(-1)));
    const at::Tensor p = scores.softmax(-1);
    out = at::matmul(p, v);
    mass = at::matmul(p, v.abs());
    lse = scores.logsumexp(-1);
  }
};

/// Expects each value within its own rounding errors, and the relative distance of all of them within that of one bf16
/// number. roundings: how many values on the way to an output are rounded to bf16 (math: the output; flash attention:
/// p, too).
inline void expect_output(const std::string& what, const at::Tensor& ours, const AttentionOracle& oracle,
                          int roundings) {
  ASSERT_EQ(ours.sizes(), oracle.out.sizes()) << what;
  ASSERT_EQ(ours.scalar_type(), at::kBFloat16) << what;
  const at::Tensor allowed = oracle.mass * bf16_rounding * roundings + 1e-6;
  EXPECT_LE(((ours.to(at::kDouble) - oracle.out).abs() / allowed).max().item<double>(), 1.0) << what;  // fails for NaN
  expect_close(what, ours, oracle.out, bf16_rounding);
}

inline void expect_lse(const std::string& what, const at::Tensor& ours, const AttentionOracle& oracle) {
  ASSERT_TRUE(ours.defined()) << what;
  ASSERT_EQ(ours.sizes(), oracle.lse.sizes()) << what;
  ASSERT_EQ(ours.scalar_type(), at::kFloat) << what;
  EXPECT_LE((ours.to(at::kDouble) - oracle.lse).abs().max().item<double>(), 1e-3) << what;
}

inline void expect_formula_and_lse(const Attention& attention, int roundings) {
  const c10::InferenceMode guard;
  for (const AttentionCase& c : attention_cases()) {
    const AttentionOracle oracle(c);
    expect_output(c.name, attention(c.q, c.k, c.v, false).out, oracle, roundings);
    const AttentionResult with_lse = attention(c.q, c.k, c.v, true);
    expect_output(c.name + ", with lse", with_lse.out, oracle, roundings);
    expect_lse(c.name, with_lse.lse, oracle);
  }
}

/// Expects that attention to two parts of the keys merges into attention to all. merge() rounds once more.
inline void expect_parts_merge(const Attention& attention, int roundings) {
  const c10::InferenceMode guard;
  for (const AttentionCase& c : attention_cases()) {
    const std::int64_t keys = c.k.size(2), cut = keys / 2;
    if (cut == 0) continue;
    const auto part = [&](std::int64_t from, std::int64_t count) {
      return attention(c.q, c.k.narrow(2, from, count), c.v.narrow(2, from, count), true);
    };
    const AttentionResult merged = merge(part(0, cut), part(cut, keys - cut));
    const AttentionOracle oracle(c);
    expect_output(c.name + ", merged", merged.out, oracle, roundings + 1);
    expect_lse(c.name + ", merged", merged.lse, oracle);
  }
}

inline void expect_same_bits_twice(const Attention& attention) {
  const c10::InferenceMode guard;
  for (const AttentionCase& c : attention_cases()) {
    const AttentionResult first = attention(c.q, c.k, c.v, true), second = attention(c.q, c.k, c.v, true);
    EXPECT_TRUE(at::equal(first.out, second.out)) << c.name;
    EXPECT_TRUE(at::equal(first.lse, second.lse)) << c.name;
  }
}

}  // namespace wf
