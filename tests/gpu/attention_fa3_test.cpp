// tests/gpu/attention_fa3_test.cpp: FlashAttention-3 against the formula. Needs the library that $WANFARM_FA3 names and
// a Hopper GPU. Without them every test fails with a message how to get the library; ctest -LE fa3 leaves them out.
#include "tests/gpu/attention_cases.hpp"
#include "tests/pipeline/model/tiny_dit.hpp"

namespace wf {
namespace {

constexpr int roundings = 2;  ///< p and the output

TEST(Fa3Attention, EqualsTheFormulaInOutputAndLse) { expect_formula_and_lse(fa3_attention(), roundings); }

TEST(Fa3Attention, PartsOfTheKeysMergeIntoTheWhole) { expect_parts_merge(fa3_attention(), roundings); }

TEST(Fa3Attention, TwoRunsGiveTheSameBits) { expect_same_bits_twice(fa3_attention()); }

TEST(Fa3Attention, ExactIsNotFartherFromF32ThanTheOfficialBf16Is) {
  const c10::InferenceMode guard;
  expect_exact_is_near("fa3", fa3_attention());
}

/// Output and lse against the same roundings of q, k and v, but with a softmax in f32.
TEST(Fa3Fp8Attention, IsNearWhatTheRoundedHeadsGive) {
  const c10::InferenceMode guard;
  for (const AttentionCase& c : attention_cases()) {
    if (!why_not_fa3_fp8(test::device(), at::kBFloat16, c.q.size(-1)).empty()) continue;
    const AttentionResult ours = fa3_fp8_attention().of_rows(c.q, c.k, c.v, true);
    const AttentionResult wanted = rounded_attention(math_attention()).of_rows(c.q, c.k, c.v, true);
    ASSERT_EQ(ours.out.scalar_type(), at::kBFloat16);
    const double output = ((ours.out - wanted.out).norm() / wanted.out.norm()).item<double>();
    const double lse = (ours.lse - wanted.lse).abs().max().item<double>();
    std::printf("  %-50s output %.4f (allowed 0.06), lse %.5f (allowed 0.01)\n", c.name.c_str(), output, lse);
    EXPECT_LE(output, 0.06) << c.name;
    EXPECT_LE(lse, 0.01) << c.name;
  }
}

/// A sum over so many keys loses more than a tenth, which must not be a tenth of what all values have in common.
TEST(Fa3Fp8Attention, ToManyKeysKeepsWhatValuesHaveInCommon) {
  const c10::InferenceMode guard;
  const AttentionCase c = dense_case(1, 3, 256, 70'000, 128);
  const at::Tensor v = c.v + 1;
  const at::Tensor ours = fa3_fp8_attention().of_rows(c.q, c.k, v, false).out;
  const at::Tensor wanted = math_attention()(c.q, c.k, v, false).out;
  const double output = ((ours - wanted).norm() / wanted.norm()).item<double>();
  std::printf("  70,000 keys: output %.4f (allowed 0.01)\n", output);
  EXPECT_LE(output, 0.01);
}

TEST(Fa3Fp8Attention, TwoRunsGiveTheSameBits) { expect_same_bits_twice(fa3_fp8_attention().of_rows); }

TEST(Fa3Attention, IsTheAutomaticChoice) {
  const Execution execution = on_gpu(Precision::exact);
  EXPECT_EQ(why_not_fa3(test::device(), at::kBFloat16, 128), "");
  EXPECT_EQ(choose_attention(execution, 128).name, "fa3");
  EXPECT_EQ(choose_attention(on_gpu(Precision::fp8), 128).name, "fa3-fp8");
}

}  // namespace
}  // namespace wf
