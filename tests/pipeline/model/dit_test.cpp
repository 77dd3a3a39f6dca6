// tests/pipeline/model/dit_test.cpp: the experts against the official implementation, whole forwards and inner tensors.
#include "pipeline/model/dit.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/InferenceMode.h>

#include <set>

#include "tests/pipeline/model/sine_fill.hpp"
#include "tests/pipeline/model/tiny_dit.hpp"

namespace wf {
namespace {

TEST(Dit, OutputsEqualTheOfficialOnes) {
  const c10::InferenceMode guard;
  const Golden golden("dit.safetensors");
  const at::Tensor text = Golden("text.safetensors").input("0.f32");
  for (const std::string expert : {"high", "low"}) {
    const DitWeights weights = tiny_dit(expert, Precision::reference);
    for (const std::int64_t t : golden_timesteps) {
      const std::string name = expert + ".t" + std::to_string(t) + ".out";
      expect_close(name, forward(weights, golden.input("x"), t, text), golden[name], test::network_tolerance);
    }
  }
}

TEST(Dit, InnerTensorsEqualTheOfficialOnes) {
  const c10::InferenceMode guard;
  const Golden golden("dit.safetensors");
  const at::Tensor text = Golden("text.safetensors").input("0.f32"), x = golden.input("x").unsqueeze(0);
  BlockAttention attention(math_attention(), token_grid(x).tokens());
  for (const std::string expert : {"high", "low"}) {
    const DitWeights weights = tiny_dit(expert, Precision::reference);
    const auto compare = [&](const std::string& what, const at::Tensor& ours) {
      expect_close(expert + ".t999." + what, ours, golden[expert + ".t999." + what], test::network_tolerance);
    };
    const TimeEmbedding time = embed_time(weights, {999});
    compare("e0", time.e0[0]);
    const at::Tensor padded = at::constant_pad_nd(text, {0, 0, 0, weights.config.text_len - text.size(0)});
    compare("context", embed_text_rows(weights, padded));
    ResidualStream stream{embed_patches(weights, patchify(x))};
    compare("patches", stream.x[0]);
    const at::Tensor rope = rope_table(token_grid(x), weights.head_dim(), test::device());
    const TextContext context = embed_text(weights, {text});
    for (std::size_t i = 0; i < weights.blocks.size(); ++i) {
      const DitBlock& block = weights.blocks[i];
      const std::string name = "block" + std::to_string(i);
      const at::Tensor m = block.modulation + time.e0;
      ResidualStream before{stream.sum().clone()};
      const at::Tensor self = self_attention(weights, block, before, m, rope, attention);
      compare(name + ".self_attn", self[0]);
      ResidualStream attended{before.x, {self, m.narrow(1, 2, 1)}};
      compare(name + ".cross_attn", cross_attention(weights, block, attended, context.blocks[i], context.bias)[0]);
      run_block(weights, block, stream, time.e0, context.blocks[i], context.bias, rope, attention);
      stream = {stream.sum()};
      compare(name, stream.x[0]);
    }
  }
}

/// The published head size. Weights, input and output are in one golden file.
TEST(Dit, BlockWithHeadsOf128EqualsTheOfficialOne) {
  const c10::InferenceMode guard;
  const Golden golden("dit_head128.safetensors");
  std::map<std::string, at::Tensor> tensors;
  const Checkpoint source(golden_folder() / "dit_head128.safetensors");
  for (const std::string& name : source.names())
    if (name.starts_with("weights.")) tensors[name.substr(8)] = golden[name];
  const TemporaryCheckpoint file(tensors);
  const DitConfig config{.dim = 128, .ffn_dim = 160, .num_heads = 1, .num_layers = 1, .text_len = 32};
  const DitWeights weights = load_dit({Network::expert, file.file()}, config, Precision::reference, test::device());
  expect_close("head128 t640", forward(weights, golden.input("x"), 640, golden.input("context")), golden["out"],
               test::network_tolerance);
}

TEST(Dit, ExactIsNotFartherFromF32ThanTheOfficialBf16Is) {
  const c10::InferenceMode guard;
  expect_exact_is_near("math", math_attention());
}

/// The samples have texts of different lengths and different timesteps.
TEST(Dit, BatchOfTwoEqualsTwoBatchesOfOne) {
  const c10::InferenceMode guard;
  const DitWeights weights = tiny_dit("high", Precision::reference);
  const Golden texts("text.safetensors");
  const at::Tensor a = texts.input("0.f32"), b = texts.input("2.f32");
  const at::Tensor x = test::on_device(at::randn({2, 16, 2, 6, 4}, at::detail::createCPUGenerator(1), at::kFloat));
  const at::Tensor rope = rope_table(token_grid(x), weights.head_dim(), test::device());
  const at::Tensor both =
      dit_forward(weights, x, embed_time(weights, {999, 437}), embed_text(weights, {a, b}), rope, math_attention());
  expect_close("first of two", both[0], forward(weights, x[0], 999, a), 2e-6);
  expect_close("second of two", both[1], forward(weights, x[1], 437, b), 2e-6);
}

/// On the CPU alone: on a GPU there is no bias.
TEST(DitOnCpu, ATextThatFillsAllRowsHasNoPadding) {
  const c10::InferenceMode guard;
  const DitWeights weights = tiny_dit("low", Precision::reference);
  const at::Tensor text = at::randn({512, weights.text_dim}, at::detail::createCPUGenerator(2), at::kFloat);
  const TextContext context = embed_text(weights, {text});
  EXPECT_EQ(context.bias.flatten()[512].item<float>(), -INFINITY);
  EXPECT_TRUE(at::isfinite(forward(weights, at::ones({16, 1, 4, 4}), 500, text)).all().item<bool>());
}

TEST(Dit, WeightBytesCountEveryWeight) {
  for (const Precision precision : {Precision::reference, Precision::exact}) {
    DitWeights weights = tiny_dit("high", precision);
    std::uint64_t bytes = 0;
    for_each_tensor(weights, [&](at::Tensor& tensor) { bytes += tensor.nbytes(); });
    EXPECT_EQ(dit_weight_bytes(weights.config, weights.text_dim, precision), bytes);
  }
}

/// The published files have 1095 tensors at 40 blocks: 27 per block and 15 outside. Here q, k, v are joined, as are k,
/// v of cross-attention, weights and biases alike.
TEST(Dit, EveryTensorIsVisitedOnce) {
  DitWeights weights = tiny_dit("low", Precision::reference);
  std::set<const void*> seen;
  std::size_t visits = 0;
  for_each_tensor(weights, [&](at::Tensor& tensor) {
    seen.insert(tensor.const_data_ptr());
    ++visits;
  });
  EXPECT_EQ(visits, 15 + (27 - 4 - 2) * weights.blocks.size());
  EXPECT_EQ(seen.size(), visits);
}

TEST(Dit, UnpatchifyPutsTheChannelLast) {
  // Token features are (ph, pw, c) on the way out: feature 1 of 2 channels is channel 1 at row 0, column 0.
  const at::Tensor tokens = at::arange(8, at::kFloat).view({1, 1, 8});
  const at::Tensor x = unpatchify(tokens, {1, 1, 1});
  EXPECT_EQ(x.sizes(), (std::vector<std::int64_t>{1, 2, 1, 2, 2}));
  EXPECT_EQ(x.index({0, 1, 0, 0, 0}).item<float>(), 1);
  EXPECT_EQ(x.index({0, 0, 0, 0, 1}).item<float>(), 2);
  EXPECT_EQ(x.index({0, 0, 0, 1, 0}).item<float>(), 4);
}

TEST(Dit, PatchifyPutsTheChannelFirst) {
  const at::Tensor x = at::arange(8, at::kFloat).view({1, 2, 1, 2, 2});
  EXPECT_TRUE(at::equal(patchify(x).flatten(), at::arange(8, at::kFloat)));
}

TEST(Rope, AnglesAreTheSpecifiedOnes) {
  const at::Tensor table = at::view_as_real(rope_table({2, 2, 2}, 128, at::kCPU));  // [8, 64, 2]
  const at::Tensor frame1 = table[4], row1 = table[2], column1 = table[1];
  const auto expect_near = [](const std::string& what, const at::Tensor& ours, double wanted, double tolerance) {
    expect_within(what, std::abs(ours.item<double>() - wanted), tolerance);
  };
  expect_near("frame 1, pair 0, cos", frame1[0][0], 0.5403, 1e-4);
  expect_near("frame 1, pair 1, sin", frame1[1][1], 0.6115, 1e-4);
  expect_near("frame 1, pair 21, sin", frame1[21][1], 1.5199e-4, 1e-8);
  expect_near("row 1, pair 22, cos", row1[22][0], 0.5403, 1e-4);
  expect_near("row 1, pair 42, sin", row1[42][1], 1.5505e-4, 1e-8);
  expect_near("column 1, pair 43, sin", column1[43][1], 0.8415, 1e-4);
  EXPECT_EQ(column1[0][0].item<double>(), 1.0);
}

TEST(TimeEmbedding, RowsOfDifferentTimestepsDoNotMix) {
  const c10::InferenceMode guard;
  const DitWeights weights = tiny_dit("high", Precision::reference);
  const TimeEmbedding both = embed_time(weights, {999, 3});
  expect_close("row of t = 3", both.e[1], embed_time(weights, {3}).e[0], 1e-6);
}

}  // namespace
}  // namespace wf
