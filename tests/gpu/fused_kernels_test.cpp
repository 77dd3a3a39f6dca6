// tests/gpu/fused_kernels_test.cpp: each one-pass kernel against its formula in double, rounded to bf16 at the points
// that norm.hpp and heads.hpp document: at most one rounding step away for each of them.
#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>
#include <spdlog/fmt/fmt.h>

#include <cstdio>
#include <limits>

#include "pipeline/kernels/fused.hpp"
#include "pipeline/kernels/heads.hpp"
#include "pipeline/kernels/norm.hpp"
#include "tests/device.hpp"

namespace wf {
namespace {

constexpr double eps = 1e-6;
constexpr double f32_error = 3e-6;  ///< relative error of a value whose factor is computed from a row's sum in f32

at::Tensor wide(const at::Tensor& x) { return x.to(at::kDouble); }
at::Tensor to_bf16(const at::Tensor& x) { return wide(x.to(at::kBFloat16)); }

/// The distance between neighbouring bf16 numbers at x: they have 8 significant bits.
at::Tensor bf16_step(const at::Tensor& x) { return at::exp2(wide(std::get<1>(at::frexp(x)) - 8)); }

/// The error that an f32 computation of x may have after rounding to bf16: one step if x is so close to the middle of
/// two bf16 numbers that it may be rounded to either, else nothing.
at::Tensor may_flip(const at::Tensor& x) {
  const at::Tensor step = bf16_step(x);
  const at::Tensor to_middle = step / 2 - (x - to_bf16(x)).abs();
  return step * (to_middle < f32_error * (1 + x.abs())).to(at::kDouble);
}

/// A formula's value in double, and the error of its f32 computation before the last rounding.
struct Wanted {
  at::Tensor value, error;
};

/// Makes memory that a kernel leaves unwritten visible: usually the next tensor of this size gets this one's memory.
void poison(at::IntArrayRef sizes, at::ScalarType dtype) {
  at::full(sizes, std::numeric_limits<double>::quiet_NaN(), at::device(test::device()).dtype(dtype));
}

void expect_one_step(const std::string& what, const at::Tensor& ours, const Wanted& wanted) {
  ASSERT_EQ(ours.sizes(), wanted.value.sizes()) << what;
  ASSERT_EQ(ours.scalar_type(), at::kBFloat16) << what;
  const at::Tensor got = wide(ours), rounded = to_bf16(wanted.value), distance = (got - rounded).abs();
  const at::Tensor allowed = 1.001 * bf16_step(at::maximum(got.abs(), rounded.abs())) + wanted.error;
  EXPECT_TRUE((distance <= allowed).all().item<bool>())
      << what << ": " << (distance <= allowed).logical_not().sum().item<std::int64_t>() << " values of " << ours.numel()
      << " are too far";
  std::printf("  %-52s %6.2f ppm differ\n", what.c_str(), 1e6 * distance.gt(0).to(at::kDouble).mean().item<double>());
}

// ---- The formulas ----

at::Tensor normalised(const at::Tensor& x) {
  const at::Tensor centred = wide(x) - wide(x).mean(-1, true);
  return centred * at::rsqrt(centred.square().mean(-1, true) + eps);
}

/// normed * gain + shift; for a bf16 x the normalised value is rounded first.
Wanted layer_norm_formula(const at::Tensor& x, const at::Tensor& gain, const at::Tensor& shift) {
  const at::Tensor normed = normalised(x);
  const bool rounds = x.scalar_type() == at::kBFloat16;
  const at::Tensor kept = rounds ? to_bf16(normed) : normed;
  const at::Tensor flips = rounds ? may_flip(normed) : at::zeros_like(normed);
  const at::Tensor error = gain.abs() * (flips + f32_error * (1 + kept.abs())) + f32_error * shift.abs();
  return {kept * gain + shift, error};
}

Wanted rms_norm_formula(const at::Tensor& z, const at::Tensor& weight) {
  const at::Tensor scaled = wide(z) * at::rsqrt(wide(z).square().mean(-1, true) + eps);
  return {to_bf16(scaled) * wide(weight), may_flip(scaled) * wide(weight).abs()};
}

Wanted rotated_formula(const at::Tensor& z, const at::Tensor& weight, std::int64_t heads, const at::Tensor& angles) {
  const auto pairs = [&](const at::Tensor& x) { return x.unflatten(-1, {heads, -1, 2}); };  // [B, rows, heads, n, 2]
  const Wanted before = rms_norm_formula(z, weight);
  const at::Tensor kept = pairs(to_bf16(before.value));
  // If the first rounding may flip, the second one may move the value by one step, or by two at a power of 2.
  const at::Tensor moved = pairs(before.error + before.error.gt(0).to(at::kDouble) * bf16_step(before.value) * 2);
  const at::Tensor turn = at::view_as_real(angles).to(at::kDouble).unsqueeze(0).unsqueeze(2);
  const at::Tensor re = kept.select(-1, 0), im = kept.select(-1, 1), c = turn.select(-1, 0), s = turn.select(-1, 1);
  const at::Tensor error = (moved + f32_error * kept.abs()).sum(-1, true).expand_as(kept);
  return {at::stack({re * c - im * s, re * s + im * c}, -1).flatten(3), error.flatten(3)};
}

// ---- Inputs ----

struct Size {
  std::int64_t batch, rows, columns, heads;
  std::string name() const {
    return std::to_string(batch) + " x " + std::to_string(rows) + " x " + std::to_string(columns);
  }
};

at::Tensor random(at::IntArrayRef sizes, at::ScalarType dtype = at::kFloat) {
  return at::randn(sizes, at::device(test::device()).dtype(at::kFloat)).to(dtype);
}

/// Values like those of the residual stream: not centred, of any scale.
at::Tensor stream(const Size& size, at::ScalarType dtype) {
  return (random({size.batch, size.rows, size.columns}) * 3 + 0.5).to(dtype);
}

/// The middle one of the three parts of a joined projection.
at::Tensor middle_part(const Size& size) {
  return random({size.batch, size.rows, 3 * size.columns}, at::kBFloat16).chunk(3, -1)[1];
}

class Fused : public testing::TestWithParam<Size> {
 protected:
  void SetUp() override { at::manual_seed(17); }
  const Size size = GetParam();
  const std::vector<std::int64_t> sizes{size.batch, size.rows, size.columns};

 private:
  const c10::InferenceMode guard_;
};

std::vector<Size> all_sizes() {
  std::vector<Size> all;
  for (const std::int64_t batch : {1, 2})
    for (const std::int64_t rows : {1, 7, 1000})
      for (const auto& [columns, heads] :
           {std::pair{8, 1}, std::pair{96, 3}, std::pair{1536, 12}, std::pair{5120, 40}, std::pair{13824, 108}})
        all.push_back({batch, rows, columns, heads});
  return all;
}
INSTANTIATE_TEST_SUITE_P(Sizes, Fused, testing::ValuesIn(all_sizes()), [](const auto& size) {
  const Size& s = size.param;
  return std::to_string(s.batch) + "x" + std::to_string(s.rows) + "x" + std::to_string(s.columns);
});

TEST_P(Fused, ModulatedNorm) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16})
    for (const std::int64_t samples : {std::int64_t{1}, size.batch}) {
      at::Tensor x = stream(size, dtype);
      const at::Tensor m = random({samples, 6, size.columns}), shift = m.narrow(1, 3, 1), scale = m.narrow(1, 4, 1);
      ASSERT_TRUE(fused::supports(x, at::kBFloat16));
      poison(sizes, at::kBFloat16);
      expect_one_step("modulated_norm " + std::string(at::toString(dtype)) + " " + size.name(),
                      modulated_norm(x, {}, shift, scale, eps, at::kBFloat16).values,
                      layer_norm_formula(x, 1 + wide(scale), wide(shift)));
    }
}

/// The rows of consecutive samples are not adjacent in memory.
TEST_P(Fused, ModulatedNormOfRowsOfALongerSequence) {
  const at::Tensor longer = stream({size.batch, size.rows + 9, size.columns, size.heads}, at::kFloat);
  const at::Tensor x = longer.narrow(1, 4, size.rows), m = random({1, 6, size.columns});
  const auto normed = [&](at::Tensor rows) {
    return modulated_norm(rows, {}, m.narrow(1, 0, 1), m.narrow(1, 1, 1), eps, at::kBFloat16).values;
  };
  poison(sizes, at::kBFloat16);
  EXPECT_TRUE(at::equal(normed(x), normed(x.contiguous())));
}

/// What two kernels after one another do, bit for bit: also for some rows of a longer sequence, whose sums stay there.
TEST_P(Fused, AddingBeforeANormChangesNoBit) {
  const at::Tensor longer = stream({size.batch, size.rows + 9, size.columns, size.heads}, at::kFloat);
  const at::Tensor branches = random({size.batch, size.rows + 9, size.columns}, at::kBFloat16);
  const at::Tensor m = random({size.batch, 6, size.columns}), shift = m.narrow(1, 0, 1), scale = m.narrow(1, 1, 1);
  const at::Tensor y = branches.narrow(1, 4, size.rows);
  for (const at::Tensor& gate : {at::Tensor(), m.narrow(1, 5, 1)})
    for (const at::ScalarType result : {at::kBFloat16, at::kFloat8_e4m3fn}) {
      const at::Tensor whole = longer.clone();
      at::Tensor x = whole.narrow(1, 4, size.rows), added = add_gated(x.clone(), y.contiguous(), gate);
      const Operand fused = modulated_norm(x, {y, gate}, shift, scale, eps, result);
      const Operand apart = modulated_norm(added, {}, shift, scale, eps, result);
      EXPECT_TRUE(at::equal(fused.values.view(at::kByte), apart.values.view(at::kByte)));
      EXPECT_TRUE(!fused.scale.defined() || at::equal(fused.scale, apart.scale));
      EXPECT_TRUE(at::equal(whole.narrow(1, 4, size.rows), added));
      EXPECT_TRUE(at::equal(whole.narrow(1, 0, 4), longer.narrow(1, 0, 4)));
      EXPECT_TRUE(at::equal(whole.narrow(1, 4 + size.rows, 5), longer.narrow(1, 4 + size.rows, 5)));
    }
}

/// The first addition to a stream: the sum is a tensor of its own, in f32.
TEST_P(Fused, AddingToBf16BeforeANormChangesNoBit) {
  const at::Tensor before = stream(size, at::kBFloat16), y = random(sizes, at::kBFloat16);
  const at::Tensor weight = random({size.columns}), bias = random({size.columns}), gate = random({1, 1, size.columns});
  at::Tensor x = before, added = add_gated(before, y, gate);
  const at::Tensor fused = affine_norm(x, {y, gate}, weight, bias, eps, at::kBFloat16).values;
  EXPECT_TRUE(at::equal(x, added));
  EXPECT_TRUE(at::equal(fused, affine_norm(added, {}, weight, bias, eps, at::kBFloat16).values));
}

TEST_P(Fused, AffineNorm) {
  at::Tensor x = stream(size, at::kFloat);
  const at::Tensor weight = random({size.columns}), bias = random({size.columns});
  ASSERT_TRUE(fused::supports(x, at::kBFloat16));
  poison(sizes, at::kBFloat16);
  expect_one_step("affine_norm " + size.name(), affine_norm(x, {}, weight, bias, eps, at::kBFloat16).values,
                  layer_norm_formula(x, wide(weight), wide(bias)));
}

TEST_P(Fused, RmsNorm) {
  const at::Tensor weight = random({size.columns}, at::kBFloat16);
  for (const at::Tensor& z : {stream(size, at::kBFloat16), middle_part(size)}) {
    ASSERT_TRUE(fused::supports(z, at::kBFloat16));
    poison(sizes, at::kBFloat16);
    expect_one_step((z.is_contiguous() ? "rms_norm " : "rms_norm, strided rows ") + size.name(),
                    rms_norm(z, weight, eps), rms_norm_formula(z, weight));
  }
}

/// A joined projection of q, k and v, the weights of their norms, and the angles of their rotation.
struct Projection {
  at::Tensor z, norm_q, norm_k, angles;
  explicit Projection(const Size& size)
      : z(random({size.batch, size.rows, 3 * size.columns}, at::kBFloat16) * 3),
        norm_q(random({size.columns}, at::kBFloat16)),
        norm_k(random({size.columns}, at::kBFloat16)) {
    const at::Tensor turn = random({size.rows, size.columns / size.heads / 2});
    angles = at::polar(at::ones_like(turn), turn);
  }
};

/// The blocks of a rank, written in two chunks of rows. Its own block lies between rows of other ranks.
HeadBlocks written(const Projection& of, const Size& size, int rank, int ranks) {
  const Range own = split(size.heads, ranks)[static_cast<std::size_t>(rank)];
  const auto unwritten = std::numeric_limits<double>::quiet_NaN();
  const at::Tensor all =
      at::full({3, size.batch, size.rows + 5, own.size, size.columns / size.heads}, unwritten, of.z.options());
  HeadBlocks blocks = HeadBlocks::make(all.narrow(2, 2, size.rows), size.heads, rank, ranks);
  blocks.others.fill_(unwritten);
  for (const Range& rows : split(size.rows, 2))
    write_heads(of.z.narrow(1, rows.begin, rows.size).contiguous(), {of.norm_q, of.norm_k, eps},
                of.angles.narrow(0, rows.begin, rows.size), blocks, rows.begin);
  EXPECT_TRUE(at::isnan(all.narrow(2, 0, 2)).all().item<bool>() &&
              at::isnan(all.narrow(2, size.rows + 2, 3)).all().item<bool>());
  return blocks;
}

void expect_heads(const std::string& what, const Projection& of, const Size& size, int rank, int ranks) {
  const HeadBlocks blocks = written(of, size, rank, ranks);
  const std::vector<at::Tensor> parts = of.z.chunk(3, -1);
  const Wanted q = rotated_formula(parts[0], of.norm_q, size.heads, of.angles);
  const Wanted k = rotated_formula(parts[1], of.norm_k, size.heads, of.angles);
  for (int other = 0; other < ranks; ++other) {
    const Range& heads = blocks.heads[static_cast<std::size_t>(other)];
    if (heads.size == 0) continue;
    const auto its = [&](const Wanted& all) {
      return Wanted{all.value.narrow(2, heads.begin, heads.size), all.error.narrow(2, heads.begin, heads.size)};
    };
    const at::Tensor block = blocks.of(other);
    const std::string name = what + size.name() + fmt::format(", rank {} for {} of {}", rank, other, ranks);
    expect_one_step("q " + name, block[0], its(q));
    expect_one_step("k " + name, block[1], its(k));
    const at::Tensor v = parts[2].unflatten(-1, {size.heads, -1}).narrow(2, heads.begin, heads.size);
    EXPECT_TRUE(at::equal(block[2], v)) << name;
  }
}

TEST_P(Fused, WriteHeads) {
  const Projection projection(size);
  for (const int ranks : {1, 2, 3})
    for (const int rank : {0, ranks - 1}) expect_heads("", projection, size, rank, ranks);
}

/// Expects x + added within a few rounding steps of f32.
void expect_sum(const at::Tensor& ours, const at::Tensor& x, const at::Tensor& added) {
  ASSERT_EQ(ours.scalar_type(), at::kFloat);
  const at::Tensor distance = (wide(ours) - (x + added)).abs(), allowed = 2.5e-7 * (x.abs() + added.abs());
  EXPECT_TRUE((distance <= allowed).all().item<bool>());
}

TEST_P(Fused, AddGated) {
  const at::Tensor y = random(sizes, at::kBFloat16);
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16})
    for (const std::int64_t samples : {std::int64_t{0}, std::int64_t{1}, size.batch}) {
      const at::Tensor gate = samples == 0 ? at::Tensor() : random({samples, 6, size.columns}).narrow(1, 5, 1);
      const at::Tensor x = stream(size, dtype), before = wide(x);
      ASSERT_TRUE(fused::supports(y, y.scalar_type()));
      poison(sizes, at::kFloat);
      const at::Tensor ours = add_gated(x, y, gate);
      expect_sum(ours, before, gate.defined() ? wide(y) * wide(gate) : wide(y));
      EXPECT_EQ(ours.const_data_ptr() == x.const_data_ptr(), dtype == at::kFloat) << "in place for f32 alone";
      EXPECT_EQ(at::equal(wide(x), before), dtype != at::kFloat);
    }
}

TEST_P(Fused, TwiceGivesTheSameBits) {
  const at::Tensor z = middle_part(size), weight = random({size.columns}, at::kBFloat16);
  at::Tensor x = stream(size, at::kFloat);
  const at::Tensor gain = random({size.columns}), shift = random({size.columns});
  EXPECT_TRUE(at::equal(rms_norm(z, weight, eps), rms_norm(z, weight, eps)));
  EXPECT_TRUE(at::equal(affine_norm(x, {}, gain, shift, eps, at::kBFloat16).values,
                        affine_norm(x, {}, gain, shift, eps, at::kBFloat16).values));
}

/// Rows whose size is not a multiple of 8 are computed by LibTorch operations, with the same results.
TEST(NotFused, RowsOf100ValuesEqualTheFormulaToo) {
  const c10::InferenceMode guard;
  const Size size{2, 7, 100, 5};
  at::Tensor x = stream(size, at::kFloat);
  const at::Tensor m = random({2, 6, 100});
  ASSERT_FALSE(fused::supports(x, at::kBFloat16));
  expect_one_step("modulated_norm of 100",
                  modulated_norm(x, {}, m.narrow(1, 0, 1), m.narrow(1, 1, 1), eps, at::kBFloat16).values,
                  layer_norm_formula(x, 1 + wide(m.narrow(1, 1, 1)), wide(m.narrow(1, 0, 1))));
  expect_heads("of 20 values, ", Projection(size), size, 1, 2);
}

}  // namespace
}  // namespace wf
