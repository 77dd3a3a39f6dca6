// tests/pipeline/model/e4m3.hpp: how far a value may be from what it was rounded from, for numbers in F8_E4M3.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <string>

namespace wf::test {

/// Half the distance between neighbouring F8_E4M3 numbers at x, f64. They have 4 significant bits, and below 2^-6 they
/// are multiples of 2^-9.
inline at::Tensor half_step(const at::Tensor& x) {
  const at::Tensor exponent = std::get<1>(at::frexp(x.to(at::kDouble))).clamp_min(-5);
  return at::exp2(exponent.to(at::kDouble) - 5);
}

/// Expects values * scale to be `wanted` rounded to the nearest. scale broadcasts; slack: relative error of `wanted`
/// as f32 computes it.
inline void expect_nearest(const std::string& what, const at::Tensor& values, const at::Tensor& scale,
                           const at::Tensor& wanted, double slack = 1e-5) {
  ASSERT_EQ(values.scalar_type(), at::kFloat8_e4m3fn) << what;
  ASSERT_EQ(values.sizes(), wanted.sizes()) << what;
  const at::Tensor factor = scale.to(at::kCPU, at::kDouble), want = wanted.to(at::kCPU, at::kDouble) / factor;
  const at::Tensor distance = (values.to(at::kCPU).to(at::kDouble) - want).abs();
  const at::Tensor share = distance / (half_step(want) + slack * want.abs().amax());
  const double most = share.max().item<double>();
  std::printf("  %-60s %5.1f %% of half a step\n", what.c_str(), 100 * most);
  EXPECT_LE(most, 1) << what;
}

}  // namespace wf::test
