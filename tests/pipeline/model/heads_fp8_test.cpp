// tests/pipeline/model/heads_fp8_test.cpp: heads are rounded to the nearest 8-bit numbers after transformations that
// leave attention as it is.
#include "pipeline/kernels/heads_fp8.hpp"

#include <c10/core/InferenceMode.h>

#include <cmath>
#include <limits>
#include <set>

#include "pipeline/kernels/attention.hpp"
#include "pipeline/kernels/fp8_format.hpp"
#include "tests/device.hpp"
#include "tests/pipeline/model/e4m3.hpp"

namespace wf {
namespace {

struct Heads {
  at::Tensor q, k, v;
};

/// As after rows were projected: memory in the order [3, batch, rows, heads, head_dim], with keys and values that have
/// a part in common and channels of different size.
Heads joined_heads(std::int64_t batch, std::int64_t heads, std::int64_t rows, std::int64_t head_dim) {
  at::Tensor qkv = at::randn({3, batch, rows, heads, head_dim}, at::kDouble);
  for (const std::int64_t part : {1, 2}) qkv[part] += 3 * at::randn({batch, 1, heads, head_dim}, at::kDouble);
  qkv *= at::exp(at::randn({3, batch, 1, heads, head_dim}, at::kDouble) / 2);
  qkv = qkv.to(test::device(), at::kBFloat16);
  const auto part = [&](std::int64_t i) { return qkv[i].transpose(1, 2); };
  return {part(0), part(1), part(2)};
}

at::Tensor wide(const at::Tensor& x) { return x.to(at::kCPU).to(at::kDouble); }

/// The mean of those of the rows x [batch, heads, keys, head_dim] of k or v that are in the sample, which is written
/// out here: all of fewer than 1024, else one of each whole 16.
at::Tensor mean_of_sample(const at::Tensor& x) {
  const std::int64_t keys = x.size(2);
  if (keys < 1024) return x.mean(2);
  std::vector<at::Tensor> sample;
  for (std::int64_t i = 0; i < keys / 16; ++i) sample.push_back(x.select(2, 16 * i + (11 * i + i / 16) % 16));
  return at::stack(sample).mean(0);
}

/// A scale for each head, as it broadcasts over rows and channels.
at::Tensor by_head(const at::Tensor& scale) { return scale.unsqueeze(-1).unsqueeze(-1); }

/// Head sizes: of kernels of our own on a GPU (64, 128, 256), and others.
class HeadsIn8Bits : public testing::TestWithParam<int> {
 protected:
  void SetUp() override { at::manual_seed(31); }

 private:
  const c10::InferenceMode guard_;
};
INSTANTIATE_TEST_SUITE_P(HeadDim, HeadsIn8Bits, testing::Values(16, 40, 64, 128, 256),
                         [](const auto& size) { return std::to_string(size.param); });

TEST_P(HeadsIn8Bits, AreNearestAfterTheTransformations) {
  for (const std::int64_t rows : {1, 37, 600, 1023, 1024, 1041}) {
    const Heads in = joined_heads(2, 3, rows, GetParam());
    const Fp8Heads out = quantise_heads(in.q, in.k, in.v);
    const std::string of = " of " + std::to_string(rows) + " rows";
    EXPECT_TRUE(at::allclose(wide(out.k_mean), mean_of_sample(wide(in.k)), 1e-4, 1e-5)) << of;
    EXPECT_TRUE(at::allclose(wide(out.v_mean), mean_of_sample(wide(in.v)), 1e-4, 1e-5)) << of;
    test::expect_nearest("q" + of, out.q, by_head(out.q_scale), rotate_heads(wide(in.q)));
    test::expect_nearest("k" + of, out.k, by_head(out.k_scale),
                         rotate_heads(wide(in.k) - wide(out.k_mean).unsqueeze(2)));
    test::expect_nearest("v" + of, out.v, by_head(out.v_scale), wide(in.v) - wide(out.v_mean).unsqueeze(2));
  }
}

TEST_P(HeadsIn8Bits, AreTheSameAfterTheyWerePacked) {
  for (const std::int64_t keys : {1, 33}) {
    const at::Tensor kv = at::randn({2, 2, keys, 3, GetParam()}, at::kFloat).to(test::device(), at::kBFloat16);
    const Fp8Heads made = quantise_keys(kv[0].transpose(1, 2), kv[1].transpose(1, 2));
    const at::Tensor packed = pack_keys(kv);
    EXPECT_EQ(packed.numel(), packed_numel(kv.sizes()));
    EXPECT_EQ(packed.numel(), kv.numel() + 4 * 2 * 3 * (2 + 2 * GetParam()))
        << "a byte for each number, and scales and means";
    const Fp8Heads out = unpack_keys(packed, kv.sizes());
    EXPECT_TRUE(at::equal(out.k.view(at::kByte), made.k.view(at::kByte)));
    EXPECT_TRUE(at::equal(out.v.view(at::kByte), made.v.view(at::kByte)));
    EXPECT_TRUE(at::equal(out.k_scale, made.k_scale) && at::equal(out.v_scale, made.v_scale));
    EXPECT_TRUE(at::equal(out.k_mean, made.k_mean) && at::equal(out.v_mean, made.v_mean));
  }
  EXPECT_EQ(pack_keys(at::empty({2, 1, 0, 3, 16}, at::kFloat)).numel(), 0);
}

/// Kernels read and write 16 bytes at a time. Five heads are what one of eight ranks has of 40.
TEST_P(HeadsIn8Bits, MeansThatWerePackedBeginWhereKernelsCanReadThem) {
  const at::Tensor kv = at::randn({2, 1, 33, 5, GetParam()}, at::kFloat).to(test::device(), at::kBFloat16);
  const Fp8Heads out = unpack_keys(pack_keys(kv), kv.sizes());
  for (const at::Tensor& tensor : {out.k_mean, out.v_mean})
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.const_data_ptr()) % 16, 0u);
}

TEST_P(HeadsIn8Bits, ScalesArePowersOf2) {
  const Heads in = joined_heads(1, 4, 50, GetParam());
  const Fp8Heads out = quantise_heads(in.q, in.k, in.v);
  for (const at::Tensor& scale : {out.q_scale, out.k_scale, out.v_scale})
    EXPECT_TRUE((std::get<0>(at::frexp(scale.to(at::kCPU))) == 0.5).all().item<bool>());
}

TEST_P(HeadsIn8Bits, AttentionAndItsLseAreThoseOfTheOriginals) {
  const Heads in = joined_heads(2, 2, 300, GetParam());
  const AttentionResult exact = math_attention()(in.q, in.k, in.v, true);
  const AttentionResult rounded = rounded_attention(math_attention()).of_rows(in.q, in.k, in.v, true);
  const double output = ((wide(rounded.out) - wide(exact.out)).norm() / wide(exact.out).norm()).item<double>();
  const double lse = (wide(rounded.lse) - wide(exact.lse)).abs().mean().item<double>();
  std::printf("  output %.3f, lse %.3f\n", output, lse);
  EXPECT_LE(output, 0.08);
  EXPECT_LE(lse, 0.1);
}

/// Also where rows are no multiple of what a thread block holds, and of every float dtype.
TEST_P(HeadsIn8Bits, MeanIsAddedToAllRowsOfItsHead) {
  for (const at::ScalarType dtype : {at::kBFloat16, at::kFloat}) {
    for (const std::int64_t rows : {1, 7, 130}) {
      const at::Tensor x = joined_heads(2, 3, rows, GetParam()).q.to(dtype), before = x.clone();
      const at::Tensor mean = at::randn({2, 3, GetParam()}, at::kFloat).to(test::device());
      add_mean(x, mean);
      const at::Tensor wanted = (wide(before) + wide(mean).unsqueeze(2)).to(at::kFloat).to(dtype);
      EXPECT_TRUE(at::equal(x.to(at::kCPU), wanted)) << rows << " rows of " << dtype;
    }
  }
}

TEST_P(HeadsIn8Bits, WithInfinityOrNanBecomeNan) {
  for (const double bad : {std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    for (const bool in_keys : {true, false}) {
      const Heads in = joined_heads(1, 2, 20, GetParam());
      (in_keys ? in.k : in.v)[0][1][3][5] = bad;
      const at::Tensor out = rounded_attention(math_attention()).of_rows(in.q, in.k, in.v, false).out;
      EXPECT_TRUE(at::isnan(out[0][1]).all().item<bool>()) << bad << (in_keys ? " in a key" : " in a value");
      EXPECT_TRUE(at::isfinite(out[0][0]).all().item<bool>()) << bad;
    }
  }
}

TEST_P(HeadsIn8Bits, OfZerosStayZeros) {
  const Heads in = joined_heads(1, 2, 1025, GetParam());
  const Fp8Heads out = quantise_heads(in.q.zero_(), in.k.zero_(), in.v.zero_());
  for (const at::Tensor& part : {out.q, out.k, out.v}) EXPECT_EQ(wide(part).abs().max().item<double>(), 0);
  for (const at::Tensor& scale : {out.q_scale, out.k_scale, out.v_scale})
    EXPECT_TRUE(at::isfinite(scale).all().item<bool>());
}

/// A joined projection z [1, rows, 3d] of two heads, whose norms have weights of 1.
struct Projection {
  at::Tensor z, weight, angles;
  std::int64_t head_dim;
  Projection(std::int64_t rows, std::int64_t of_head)
      : z(at::randn({1, rows, 6 * of_head}, at::kDouble).to(test::device(), at::kBFloat16)),
        weight(at::ones({2 * of_head}, z.options())),
        angles(at::ones({rows, of_head / 2}, z.options().dtype(at::kComplexFloat))),
        head_dim(of_head) {}
  /// The row of q, k or v (0, 1, 2) of all heads.
  at::Tensor row(std::int64_t part, std::int64_t index) const { return z.chunk(3, -1)[part][0][index]; }
  Fp8Heads quantised() const { return quantise_projection(z, {weight, weight, 1e-6}, angles, head_dim); }
};

/// Also of a key that the mean does not see: of each 16 rows it sees one.
TEST_P(HeadsIn8Bits, OfAProjectedRowOfInfinitiesAreNan) {
  for (const std::int64_t index : {0, 1, 1024}) {
    const Projection projection(1025, GetParam());
    projection.row(1, index).fill_(std::numeric_limits<double>::infinity());
    const Fp8Heads out = projection.quantised();
    EXPECT_TRUE(at::isnan(wide(out.k).select(2, index)).all().item<bool>()) << index;
    EXPECT_TRUE(at::isfinite(wide(out.q)).all().item<bool>()) << index;
    EXPECT_TRUE(at::isfinite(wide(out.v)).all().item<bool>()) << index;
    const at::Tensor v = projection.row(2, index);
    v[0] = std::numeric_limits<double>::infinity();
    const at::Tensor scale = wide(projection.quantised().v_scale)[0];
    EXPECT_FALSE(std::isfinite(scale[0].item<double>())) << index;
    EXPECT_TRUE(std::isfinite(scale[1].item<double>())) << index;
  }
}

TEST_P(HeadsIn8Bits, OfAProjectionOfZerosStayZeros) {
  const Projection projection(1025, GetParam());
  projection.z.zero_();
  const Fp8Heads out = projection.quantised();
  for (const at::Tensor& part : {out.q, out.k, out.v}) EXPECT_EQ(wide(part).abs().max().item<double>(), 0);
}

/// Scales come from the norms' weights; everything else is as if the projection's heads had been written in f32.
TEST_P(HeadsIn8Bits, OfAProjectionAreNearestToWhatItsHeadsAre) {
  constexpr std::int64_t batch = 2, heads = 3;
  constexpr double eps = 1e-6, bf16_flip = 1.0 / 128;  // RMSNorm's two roundings to bf16 may fall either way
  const std::int64_t head_dim = GetParam(), d = heads * head_dim;
  for (const std::int64_t rows : {1, 37, 300, 1041}) {
    const auto draw = [](at::IntArrayRef sizes) { return at::randn(sizes, at::kDouble); };
    const at::Tensor z = (draw({batch, rows, 3 * d}) * 2 + 1).to(test::device(), at::kBFloat16);
    const at::Tensor norm_q = (draw({d}) + 1).to(test::device(), at::kBFloat16);
    const at::Tensor norm_k = (draw({d}) + 1).to(test::device(), at::kBFloat16);
    const at::Tensor angles = at::polar(at::ones({rows, head_dim / 2}), draw({rows, head_dim / 2}).to(at::kFloat));
    const Fp8Heads out = quantise_projection(z, {norm_q, norm_k, eps}, angles.to(test::device()), head_dim);

    const std::vector<at::Tensor> parts = wide(z).chunk(3, -1);
    const auto bf16 = [](const at::Tensor& x) { return x.to(at::kBFloat16).to(at::kDouble); };
    const auto split = [&](const at::Tensor& x) { return x.unflatten(-1, {heads, head_dim}).transpose(1, 2); };
    const auto turned = [&](const at::Tensor& part, const at::Tensor& weight) {
      const at::Tensor normed = bf16(bf16(part * at::rsqrt(part.square().mean(-1, true) + eps)) * wide(weight));
      const at::Tensor pairs = at::view_as_complex(split(normed).unflatten(-1, {-1, 2}).contiguous());
      return at::view_as_real(pairs * angles.to(at::kComplexDouble)).flatten(-2);
    };
    const at::Tensor k = turned(parts[1], norm_k), mean = wide(out.k_mean).unsqueeze(2);
    const std::string of = " of " + std::to_string(rows) + " projected rows";
    EXPECT_TRUE(at::allclose(mean.squeeze(2), mean_of_sample(k), 1e-2, 1e-2)) << of;
    test::expect_nearest("q" + of, out.q, by_head(out.q_scale), rotate_heads(turned(parts[0], norm_q)), bf16_flip);
    test::expect_nearest("k" + of, out.k, by_head(out.k_scale), rotate_heads(k - mean), bf16_flip);
    const at::Tensor v = split(parts[2]), v_mean = wide(out.v_mean).unsqueeze(2);
    EXPECT_TRUE(at::allclose(v_mean.squeeze(2), mean_of_sample(v), 1e-4, 1e-5)) << of;
    test::expect_nearest("v" + of, out.v, by_head(out.v_scale), v - v_mean);
    for (const at::Tensor& scale : {out.q_scale, out.k_scale, out.v_scale})
      EXPECT_TRUE((std::get<0>(at::frexp(scale.to(at::kCPU))) == 0.5).all().item<bool>());
  }
}

/// Relative error that rounding makes in attention, of q and k or of v alone, in heads whose channels differ in size
/// and whose keys have a part in common: what the transformations are for, and why v is not scaled by channel.
TEST(UnevenHeads, LoseLittleAfterTheTransformations) {
  const c10::InferenceMode guard;
  at::manual_seed(37);
  constexpr std::int64_t rows = 1024, head_dim = 128;
  const at::Tensor sizes = at::exp(at::randn({head_dim}));
  const auto draw = [&] { return at::randn({1, 1, rows, head_dim}); };
  const at::Tensor common = 3 * at::randn({head_dim}), even = std::sqrt(static_cast<double>(head_dim)) / sizes.norm();
  const at::Tensor q = draw() * sizes * even, k = (draw() + common) * sizes * even,
                   v = draw() * at::exp(at::randn({head_dim}));
  const auto attend = [](const at::Tensor& a, const at::Tensor& b, const at::Tensor& c) {
    return math_attention()(a, b, c, false).out;
  };
  const at::Tensor exact = attend(q, k, v);
  const auto error = [&](const at::Tensor& out) { return ((out - exact).norm() / exact.norm()).item<double>(); };
  const auto rounded = [](const at::Tensor& x, const at::Tensor& scale) {
    return (x / scale).to(at::kFloat8_e4m3fn).to(at::kFloat) * scale;
  };
  const auto meant = [&](const at::Tensor& x, const at::Tensor& scale) { return x.to(at::kFloat) * by_head(scale); };
  const Fp8Heads heads = quantise_heads(q, k, v);
  const double as_they_are = error(attend(rounded(q, by_head(heads.q_scale)), rounded(k, by_head(heads.k_scale)), v));
  const double transformed = error(attend(meant(heads.q, heads.q_scale), meant(heads.k, heads.k_scale), v));
  const double v_by_head = error(attend(q, k, meant(heads.v, heads.v_scale)) + heads.v_mean.unsqueeze(2));
  const double v_by_channel = error(attend(q, k, rounded(v, v.abs().amax(2, /*keepdim=*/true) / 448)));
  std::printf("  q and k as they are %.3f, transformed %.3f; v by head %.4f, by channel %.4f\n", as_they_are,
              transformed, v_by_head, v_by_channel);
  EXPECT_LT(2 * transformed, as_they_are);
  EXPECT_LT(v_by_head, 1.25 * v_by_channel);
}

/// Values far from zero would be rounded as coarsely as their common part is large.
TEST(UnevenHeads, LoseLittleOfValuesWithACommonPart) {
  const c10::InferenceMode guard;
  at::manual_seed(41);
  const auto draw = [] { return at::randn({1, 2, 1024, 64}); };
  const at::Tensor q = draw(), k = draw(), v = draw() + 30 * at::randn({1, 2, 1, 64});
  const Fp8Heads heads = quantise_heads(q, k, v);
  const at::Tensor meant = heads.v.to(at::kFloat) * by_head(heads.v_scale) + heads.v_mean.unsqueeze(2);
  const double error = ((meant - v).norm() / (v - v.mean(2, /*keepdim=*/true)).norm()).item<double>();
  std::printf("  rounding loses %.4f of what values do not have in common (allowed 0.04)\n", error);
  EXPECT_LT(error, 0.04);
}

/// The two ways in which code finds the sample agree, and it holds one row of each whole 16, or all of few.
TEST(SampleOfKeys, IsOneRowOfEachWhole16) {
  for (const std::int64_t rows : {1, 2, 1023, 1024, 1039, 1040, 32760}) {
    std::vector<std::int64_t> sample, among;
    for (std::int64_t i = 0; i < sample_size(rows); ++i) sample.push_back(sampled_row(i, rows));
    for (std::int64_t row = 0; row < rows; ++row)
      if (is_sampled(row, rows)) among.push_back(row);
    EXPECT_EQ(sample, among) << rows;
    EXPECT_EQ(std::ssize(sample), rows < 1024 ? rows : rows / 16) << rows;
    for (std::size_t i = 0; rows >= 1024 && i < sample.size(); ++i)
      EXPECT_EQ(sample[i] / 16, static_cast<std::int64_t>(i)) << rows;
  }
}

/// Keys are rotated by their place in the picture, so a sample of few columns would have another mean.
TEST(SampleOfKeys, SeesAllColumnsOfAPicture) {
  constexpr std::int64_t rows = 32760;  // of 81 frames of 832x480
  for (std::int64_t columns = 4; columns <= 160; ++columns) {
    std::set<std::int64_t> seen;
    for (std::int64_t i = 0; i < sample_size(rows); ++i) seen.insert(sampled_row(i, rows) % columns);
    EXPECT_EQ(std::ssize(seen), columns);
  }
}

TEST(Hadamard, IsOrthogonalAndSpreadsOneChannelOverAll) {
  const c10::InferenceMode guard;
  for (const std::int64_t head_dim : {8, 24, 128}) {
    const std::int64_t n = head_dim & -head_dim;
    const at::Tensor rotated = rotate_heads(at::eye(head_dim));
    EXPECT_TRUE(at::allclose(at::matmul(rotated, rotated.t()), at::eye(head_dim), 0, 1e-6)) << head_dim;
    EXPECT_NEAR(rotated.abs().max().item<double>(), 1 / std::sqrt(static_cast<double>(n)), 1e-6) << head_dim;
  }
}

}  // namespace
}  // namespace wf
