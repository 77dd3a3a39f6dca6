// tests/gpu/attention_gpu_test.cpp: the attention backends that every CUDA build has against the formula, and their
// bf16 forwards against the official ones.
#include "tests/gpu/attention_cases.hpp"
#include "tests/pipeline/model/tiny_dit.hpp"

namespace wf {
namespace {

struct Backend {
  const char* name;
  Attention attention;
  int roundings;  ///< see expect_output()
};

class EveryBackend : public testing::TestWithParam<Backend> {};
INSTANTIATE_TEST_SUITE_P(Backends, EveryBackend,
                         testing::Values(Backend{"math", math_attention(), 1}, Backend{"cudnn", cudnn_attention(), 2}),
                         [](const auto& backend) { return backend.param.name; });

TEST_P(EveryBackend, EqualsTheFormulaInOutputAndLse) {
  expect_formula_and_lse(GetParam().attention, GetParam().roundings);
}

TEST_P(EveryBackend, PartsOfTheKeysMergeIntoTheWhole) {
  expect_parts_merge(GetParam().attention, GetParam().roundings);
}

TEST_P(EveryBackend, TwoRunsGiveTheSameBits) { expect_same_bits_twice(GetParam().attention); }

TEST_P(EveryBackend, ExactIsNotFartherFromF32ThanTheOfficialBf16Is) {
  const c10::InferenceMode guard;
  expect_exact_is_near(GetParam().name, GetParam().attention);
}

TEST(MathAttention, InF32EqualsTheFormulaWhenScoresAreComputedInBlocks) {
  const c10::InferenceMode guard;
  at::manual_seed(29);
  // The scores of a row take 8 heads x 6000 keys x 4 bytes: 512 MiB hold 2796 of these rows.
  AttentionCase c = dense_case(1, 8, 6000, 6000, 64);
  for (at::Tensor* tensor : {&c.q, &c.k, &c.v}) *tensor = tensor->to(at::kFloat);
  const AttentionResult ours = math_attention()(c.q, c.k, c.v, true);
  const AttentionOracle oracle(c);
  expect_close("out", ours.out, oracle.out, 5e-6);
  expect_close("lse", ours.lse, oracle.lse, 5e-6);
}

TEST(AutomaticAttention, ExactIsNotFartherFromF32ThanTheOfficialBf16Is) {
  const c10::InferenceMode guard;
  const Execution execution = on_gpu(Precision::exact);
  const ChosenAttention chosen = choose_attention(execution, 32);
  EXPECT_NE(chosen.name, "math") << "this GPU has a faster backend";
  expect_exact_is_near("automatic: " + chosen.name, chosen.attention);
}

TEST(AutomaticAttention, IsTheMathBackendInF32) {
  EXPECT_EQ(choose_attention(on_gpu(Precision::reference), 128).name, "math");
}

}  // namespace
}  // namespace wf
