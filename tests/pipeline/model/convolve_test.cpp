// tests/pipeline/model/convolve_test.cpp: convolutions against those in double, whichever route this processor takes.
#include "pipeline/kernels/convolve.hpp"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/device.hpp"

namespace wf {
namespace {

struct Case {
  at::Tensor x, weight, bias;
  std::vector<std::int64_t> stride, padding;
};

at::Tensor numbers(at::IntArrayRef sizes, at::MemoryFormat order) {
  return test::on_device(at::randn(sizes).contiguous(order));
}

/// A causal layer's, a strided one's in time, a pointwise one's; an upsampled frame's.
std::vector<Case> cases() {
  at::manual_seed(3);
  const at::MemoryFormat volume = at::MemoryFormat::ChannelsLast3d, frame = at::MemoryFormat::ChannelsLast;
  const at::Tensor x = numbers({1, 24, 5, 9, 7}, volume), bias = test::on_device(at::randn({12}));
  return {{x, numbers({12, 24, 3, 3, 3}, volume), bias, {1, 1, 1}, {0, 1, 1}},
          {x, numbers({12, 24, 3, 1, 1}, volume), bias, {2, 1, 1}, {0, 0, 0}},
          {x, numbers({12, 24, 1, 1, 1}, volume), bias, {1, 1, 1}, {0, 0, 0}},
          {numbers({3, 24, 9, 7}, frame), numbers({12, 24, 3, 3}, frame), bias, {1, 1}, {1, 1}},
          {numbers({1, 24, 9, 7}, frame), numbers({12, 24, 3, 3}, frame), bias, {2, 2}, {0, 0}}};
}

at::Tensor in_double(const Case& c) {
  const auto wide = [](const at::Tensor& t) { return t.cpu().to(at::kDouble); };
  return c.x.dim() == 4 ? at::conv2d(wide(c.x), wide(c.weight), wide(c.bias), c.stride, c.padding)
                        : at::conv3d(wide(c.x), wide(c.weight), wide(c.bias), c.stride, c.padding);
}

/// Sums in f32 are right to `sum_error`; then one rounding to the dtype moves a number by half a step, of which there
/// are 2^7 (bf16) or 2^23 (f32) up to its double.
void expect_rounded_once(at::ScalarType dtype, double half_step) {
  constexpr double sum_error = 1e-4;  // 648 products, sums near 25: about 2e-5 rms if summed one after the other
  for (Case c : cases()) {
    for (at::Tensor* t : {&c.x, &c.weight, &c.bias}) *t = t->to(dtype);
    const at::Tensor ours = convolve(c.x, c.weight, c.bias, c.stride, c.padding), wanted = in_double(c);
    EXPECT_EQ(ours.scalar_type(), dtype);
    ASSERT_EQ(ours.sizes(), wanted.sizes());
    const at::Tensor share =
        (ours.cpu().to(at::kDouble) - wanted).abs() / (wanted.abs() * half_step + sum_error);  // of what is allowed
    const double most = share.max().item<double>();
    std::printf("  %s, weight of %d dimensions: %.0f %% of the error allowed\n", at::toString(dtype),
                static_cast<int>(c.weight.dim()), 100 * most);
    EXPECT_LE(most, 1.0);
  }
}

TEST(Convolve, SumsF32) {
  const c10::InferenceMode inference;
  expect_rounded_once(at::kFloat, std::ldexp(1.0, -24));
}

/// On GPUs cuDNN adds the bias after it has rounded, and bf16 is never asked of it: the VAE computes in f32 there.
TEST(ConvolveCpu, SumsBf16InF32AndRoundsOnce) {
  const c10::InferenceMode inference;
  expect_rounded_once(at::kBFloat16, std::ldexp(1.0, -8));
}

TEST(Convolve, KeepsTheOrderInMemoryAndTheCallersTensor) {
  const c10::InferenceMode inference;
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const Case c = cases()[0];
    const at::Tensor x = c.x.to(dtype), before = x.clone();
    const at::Tensor ours = convolve(x, c.weight.to(dtype), c.bias.to(dtype), c.stride, c.padding);
    EXPECT_TRUE(ours.is_contiguous(at::MemoryFormat::ChannelsLast3d)) << at::toString(dtype);
    EXPECT_TRUE(at::equal(x, before)) << at::toString(dtype);
  }
}

}  // namespace
}  // namespace wf
