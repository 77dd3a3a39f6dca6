// tests/pipeline/model/attention_backend_test.cpp: attention on this device against the formula, and its lse.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cmath>

#include "pipeline/kernels/attention.hpp"
#include "tests/golden.hpp"

namespace wf {
namespace {

constexpr double tolerance = 1e-6;

struct Case {
  at::Tensor q, k, v;
};

Case some_case(at::ScalarType dtype, std::int64_t keys = 300) {
  const auto generator = at::detail::createCPUGenerator(4);
  const auto draw = [&](std::int64_t rows) {
    return test::on_device(at::randn({2, 3, rows, 32}, generator, at::kFloat)).to(dtype);
  };
  return {draw(200), draw(keys), draw(keys)};
}

at::Tensor scores(const Case& c) {
  return at::matmul(c.q.to(at::kDouble), c.k.to(at::kDouble).transpose(-2, -1)) / std::sqrt(32.0);
}

TEST(MathAttention, EqualsTheFormulaAndGivesItsLse) {
  const Case c = some_case(at::kFloat);
  const AttentionResult result = math_attention()(c.q, c.k, c.v, true);
  expect_close("out", result.out, at::matmul(scores(c).softmax(-1), c.v.to(at::kDouble)), tolerance);
  expect_close("lse", result.lse, scores(c).logsumexp(-1), tolerance);
}

TEST(MathAttention, MergesResultsOverTwoPartsOfTheKeys) {
  const Case c = some_case(at::kFloat);
  const auto part = [&](std::int64_t from, std::int64_t count) {
    return math_attention()(c.q, c.k.narrow(2, from, count), c.v.narrow(2, from, count), true);
  };
  expect_close("merged", merge(part(0, 111), part(111, 189)).out, math_attention()(c.q, c.k, c.v, false).out,
               tolerance);
}

TEST(MathAttention, Bf16StaysWithinItsRounding) {
  const Case c = some_case(at::kBFloat16);
  const at::Tensor exact = at::matmul(scores(c).softmax(-1), c.v.to(at::kDouble));
  expect_close("bf16", math_attention()(c.q, c.k, c.v, false).out, exact, 1.0 / 256);
}

TEST(BiasedAttention, WithoutABiasEqualsTheFormula) {
  const Case c = some_case(at::kFloat, 20);
  expect_close("out", biased_attention(c.q, c.k, c.v, {}), at::matmul(scores(c).softmax(-1), c.v.to(at::kDouble)),
               1e-6);
}

/// On the CPU alone: a GPU computes with all padded keys and no bias.
TEST(BiasedAttentionOnCpu, OneKeyWithLogCountStandsForManyEqualOnes) {
  const Case c = some_case(at::kFloat, 20);
  const at::Tensor last_k = c.k.narrow(2, 19, 1), last_v = c.v.narrow(2, 19, 1);
  const at::Tensor many_k = at::cat({c.k, last_k.expand({-1, -1, 41, -1})}, 2),
                   many_v = at::cat({c.v, last_v.expand({-1, -1, 41, -1})}, 2);
  at::Tensor bias = at::zeros({2, 1, 1, 20});
  bias.narrow(-1, 19, 1).fill_(std::log(42.0));
  expect_close("collapsed", biased_attention(c.q, c.k, c.v, bias), biased_attention(c.q, many_k, many_v, {}), 1e-6);
}

}  // namespace
}  // namespace wf
