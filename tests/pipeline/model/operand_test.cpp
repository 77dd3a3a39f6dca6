// tests/pipeline/model/operand_test.cpp: rows are rounded to the nearest 8-bit numbers by their own scales, and
// products of 8-bit numbers are those of the values that they stand for.
#include "pipeline/kernels/operand.hpp"

#include <c10/core/InferenceMode.h>

#include <cmath>
#include <limits>

#include "pipeline/kernels/norm.hpp"
#include "tests/device.hpp"
#include "tests/pipeline/model/e4m3.hpp"

namespace wf {
namespace {

constexpr at::ScalarType f8 = at::kFloat8_e4m3fn;
constexpr double eps = 1e-6;

at::Tensor random(at::IntArrayRef sizes, at::ScalarType dtype = at::kFloat) {
  return at::randn(sizes, at::kDouble).to(test::device(), dtype);
}

at::Tensor wide(const at::Tensor& x) { return x.to(at::kCPU).to(at::kDouble); }

/// Values that an operand stands for, on the CPU.
at::Tensor meant(const Operand& operand) {
  return wide(operand.values.to(at::kCPU).to(at::kFloat)) * wide(operand.scale);
}

struct Size {
  std::int64_t batch, rows, columns;
  std::string name() const {
    return std::to_string(batch) + "x" + std::to_string(rows) + "x" + std::to_string(columns);
  }
};

/// Rows of 100 values are not rounded by a kernel of our own on any device. Of thousands of rows a thread block takes
/// several through GELU, here of two samples, or fewer at the end.
class Rounded : public testing::TestWithParam<Size> {
 protected:
  void SetUp() override { at::manual_seed(29); }
  const Size size = GetParam();
  at::Tensor stream(at::ScalarType dtype) const {
    return (random({size.batch, size.rows, size.columns}) * 3 + 0.5).to(dtype);
  }

 private:
  const c10::InferenceMode guard_;
};
INSTANTIATE_TEST_SUITE_P(Sizes, Rounded,
                         testing::Values(Size{1, 1, 16}, Size{2, 7, 100}, Size{2, 129, 160}, Size{1, 33, 5120},
                                         Size{2, 5, 13824}, Size{1, 300, 13824}, Size{3, 1367, 48}, Size{1, 16387, 16}),
                         [](const auto& size) { return size.param.name(); });

void expect_nearest_rows(const std::string& what, const Operand& operand, const at::Tensor& wanted) {
  const at::Tensor scale = wanted.abs().amax(-1, /*keepdim=*/true) / 448;
  ASSERT_EQ(operand.scale.sizes(), scale.sizes()) << what;
  EXPECT_TRUE(at::allclose(wide(operand.scale), scale, 1e-5, 0)) << what;
  test::expect_nearest(what, operand.values, operand.scale, wanted);
}

TEST_P(Rounded, RowsAreNearestByTheirOwnScale) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const at::Tensor x = stream(dtype);
    expect_nearest_rows(std::string("rows of ") + at::toString(dtype), as_operand(x, f8), wide(x));
  }
}

TEST_P(Rounded, GeluIsRoundedOnce) {
  const at::Tensor x = stream(at::kBFloat16), y = wide(x);
  const at::Tensor wanted = y / 2 * (1 + at::tanh(std::sqrt(2 / M_PI) * (y + 0.044715 * y * y * y)));
  expect_nearest_rows("gelu", gelu(x.clone(), f8), wanted);
}

TEST_P(Rounded, NormsAreRoundedOnce) {
  at::Tensor x = stream(at::kFloat);
  const at::Tensor y = wide(x), m = random({size.batch, 6, size.columns});
  const at::Tensor centred = y - y.mean(-1, true);
  const at::Tensor normed = centred * at::rsqrt(centred.square().mean(-1, true) + eps);
  const at::Tensor shift = m.narrow(1, 2, 1), scale = m.narrow(1, 3, 1);
  expect_nearest_rows("modulated_norm", modulated_norm(x, {}, shift, scale, eps, f8),
                      normed * (1 + wide(scale)) + wide(shift));
  const at::Tensor weight = random({size.columns}), bias = random({size.columns});
  expect_nearest_rows("affine_norm", affine_norm(x, {}, weight, bias, eps, f8), normed * wide(weight) + wide(bias));
}

TEST_P(Rounded, TwiceGivesTheSameBits) {
  const at::Tensor x = stream(at::kBFloat16);
  const Operand first = gelu(x.clone(), f8), second = gelu(x.clone(), f8);
  EXPECT_TRUE(at::equal(first.values.view(at::kByte), second.values.view(at::kByte)));
  EXPECT_TRUE(at::equal(first.scale, second.scale));
}

/// A matrix in 8 bits with a scale for each row, and its bias.
struct Layer {
  at::Tensor weight, scale, bias;
  Layer(std::int64_t out, std::int64_t in, at::ScalarType dtype) : bias(random({out}, dtype)) {
    const Operand rows = as_operand(random({1, out, in}), f8);
    weight = rows.values.squeeze(0);
    scale = rows.scale.flatten();
  }
};

TEST_P(Rounded, ProductsAreThoseOfTheValuesThatTheFactorsStandFor) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const Layer layer(48, size.columns, dtype);
    const Operand x = as_operand(stream(at::kBFloat16), f8);
    const at::Tensor ours = scaled_product(x, layer.weight, layer.scale, layer.bias);
    ASSERT_EQ(ours.scalar_type(), dtype);
    const at::Tensor matrix = wide(layer.weight.to(at::kCPU).to(at::kFloat)) * wide(layer.scale).unsqueeze(1);
    const at::Tensor wanted = at::matmul(meant(x), matrix.t()) + wide(layer.bias);
    const double distance = ((wide(ours) - wanted).norm() / wanted.norm()).item<double>();
    // Tensor cores sum products of 8-bit numbers with fewer bits than f32 has.
    const double allowed = dtype == at::kFloat ? 2e-6 : 2.5e-3;
    std::printf("  product in %s: %.2e, %.0f %% of the allowed\n", at::toString(dtype), distance,
                100 * distance / allowed);
    EXPECT_LE(distance, allowed);
  }
}

TEST(RoundedRows, OfZerosStayZeros) {
  const c10::InferenceMode guard;
  const Layer layer(32, 64, at::kBFloat16);
  const at::Tensor zeros = at::zeros({1, 3, 64}, layer.bias.options());
  for (const Operand& rows : {as_operand(zeros, f8), gelu(zeros.clone(), f8)}) {
    EXPECT_TRUE(at::isfinite(rows.scale).all().item<bool>());
    const at::Tensor product = scaled_product(rows, layer.weight, layer.scale, layer.bias);
    EXPECT_TRUE(at::equal(product, layer.bias.expand_as(product)));
  }
}

/// Powers on the way to the GELU of such values overflow.
TEST(RoundedRows, OfTheGeluOfHugeValuesAreTheseOrZero) {
  const c10::InferenceMode guard;
  for (const double huge : {50.0, 1e6, 1e30, 3e38}) {
    const at::Tensor x = at::full({1, 2, 64}, huge).to(test::device(), at::kBFloat16);
    x.select(2, 5).neg_();
    x[0][1].copy_(-x[0][0].abs());  // negative ones alone
    const at::Tensor out = meant(gelu(x.clone(), f8)), wanted = wide(x).clamp_min(0);
    EXPECT_TRUE(at::allclose(out, wanted, 1e-6, 1e-25)) << huge;
  }
}

TEST(RoundedRows, WithInfinityOrNanMakeProductsOfNan) {
  const c10::InferenceMode guard;
  const Layer layer(32, 64, at::kBFloat16);
  for (const double bad : {std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity(),
                           std::numeric_limits<double>::quiet_NaN()}) {
    const at::Tensor x = random({1, 3, 64}, at::kBFloat16);
    x[0][1][17] = bad;
    for (const Operand& rows : {as_operand(x, f8), gelu(x.abs(), f8)}) {
      const at::Tensor product = scaled_product(rows, layer.weight, layer.scale, layer.bias);
      EXPECT_TRUE(at::isnan(product[0][1]).all().item<bool>()) << bad;
      EXPECT_TRUE(at::isfinite(product[0][0]).all().item<bool>()) << bad;
    }
  }
}

}  // namespace
}  // namespace wf
