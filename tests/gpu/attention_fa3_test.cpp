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

TEST(Fa3Attention, IsTheAutomaticChoice) {
  const Execution execution = on_gpu(Precision::exact);
  EXPECT_EQ(why_not_fa3(test::device(), at::kBFloat16, 128), "");
  EXPECT_EQ(choose_attention(execution, 128).name, "fa3");
}

}  // namespace
}  // namespace wf
