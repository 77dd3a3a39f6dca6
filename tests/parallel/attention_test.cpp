// tests/parallel/attention_test.cpp: merging attention over two sets of keys by their log-sum-exps.
#include "parallel/attention.hpp"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/device.hpp"

namespace wf {
namespace {

/// The plain formula, in double.
AttentionResult formula(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const at::Tensor scores = at::matmul(q, k.transpose(-2, -1)) / std::sqrt(static_cast<double>(q.size(-1)));
  return {at::matmul(scores.softmax(-1), v), scores.logsumexp(-1).to(at::kFloat)};
}

TEST(MergeAttention, TwoSetsOfKeysMergeIntoTheWhole) {
  const auto generator = at::detail::createCPUGenerator(3);
  const auto draw = [&](std::int64_t rows) {
    return test::on_device(at::randn({2, 3, rows, 16}, generator, at::kFloat));
  };
  const at::Tensor q = draw(5), k = draw(9) * 4, v = draw(9);
  const double allowed = 2e-6;
  const AttentionResult whole = formula(q, k, v);
  for (const std::int64_t cut : {1, 4, 8}) {
    const AttentionResult merged = merge(formula(q, k.narrow(2, 0, cut), v.narrow(2, 0, cut)),
                                         formula(q, k.narrow(2, cut, 9 - cut), v.narrow(2, cut, 9 - cut)));
    EXPECT_LE((merged.out - whole.out).abs().max().item<double>(), allowed) << cut;
    EXPECT_LE((merged.lse - whole.lse).abs().max().item<double>(), allowed) << cut;
  }
}

TEST(MergeAttention, AVeryUnlikelySetOfKeysChangesNothing) {
  const at::Device device = test::device();
  const AttentionResult likely{at::ones({1, 1, 1, 4}, device), at::zeros({1, 1, 1}, device)};
  const AttentionResult unlikely{at::full({1, 1, 1, 4}, 7.0, device), at::full({1, 1, 1}, -1e4, device)};
  EXPECT_TRUE(at::equal(merge(likely, unlikely).out, likely.out));
}

}  // namespace
}  // namespace wf
