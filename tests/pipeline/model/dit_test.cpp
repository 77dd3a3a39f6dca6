// tests/pipeline/model/dit_test.cpp: the experts against the official forward, as a whole and inside.
#include "pipeline/model/dit.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/InferenceMode.h>

#include <set>

#include "pipeline/kernels/attention.hpp"
#include "tests/golden.hpp"
#include "tests/pipeline/model/sine_fill.hpp"

namespace wf {
namespace {

constexpr double tolerance = 2e-5;
constexpr std::int64_t timesteps[] = {999, 876, 437};

DitWeights tiny(const std::string& expert, Precision precision) {
  const Path folder = golden_model() / (expert + "_noise_model");
  return load_dit(Checkpoint(folder), read_dit_config(folder / "config.json"), precision, at::kCPU);
}

/// One forward of batch 1 on the golden input x [16, t, h, w].
at::Tensor forward(const DitWeights& weights, const at::Tensor& x, std::int64_t t, const at::Tensor& text) {
  const at::Tensor rope = rope_table(token_grid(x), weights.head_dim(), at::kCPU);
  return dit_forward(weights, x.unsqueeze(0), embed_time(weights, {t}), embed_text(weights, {text}), rope,
                     math_attention())
      .squeeze(0);
}

TEST(Dit, OutputsEqualTheOfficialOnes) {
  const c10::InferenceMode guard;
  const Golden golden("dit.safetensors");
  const at::Tensor text = Golden("text.safetensors")["0.f32"];
  for (const std::string expert : {"high", "low"}) {
    const DitWeights weights = tiny(expert, Precision::reference);
    for (const std::int64_t t : timesteps) {
      const std::string name = expert + ".t" + std::to_string(t) + ".out";
      expect_close(name, forward(weights, golden["x"], t, text), golden[name], tolerance);
    }
  }
}

TEST(Dit, InnerTensorsEqualTheOfficialOnes) {
  const c10::InferenceMode guard;
  const Golden golden("dit.safetensors");
  const at::Tensor text = Golden("text.safetensors")["0.f32"], x = golden["x"].unsqueeze(0);
  const Attention attention = math_attention();
  for (const std::string expert : {"high", "low"}) {
    const DitWeights weights = tiny(expert, Precision::reference);
    const auto compare = [&](const std::string& what, const at::Tensor& ours) {
      expect_close(expert + ".t999." + what, ours, golden[expert + ".t999." + what], tolerance);
    };
    const TimeEmbedding time = embed_time(weights, {999});
    compare("e0", time.e0[0]);
    const at::Tensor padded = at::constant_pad_nd(text, {0, 0, 0, weights.config.text_len - text.size(0)});
    compare("context", embed_text_rows(weights, padded));
    at::Tensor stream = embed_patches(weights, patchify(x));
    compare("patches", stream[0]);
    const at::Tensor rope = rope_table(token_grid(x), weights.head_dim(), at::kCPU);
    const TextContext context = embed_text(weights, {text});
    for (std::size_t i = 0; i < weights.blocks.size(); ++i) {
      const DitBlock& block = weights.blocks[i];
      const std::string name = "block" + std::to_string(i);
      const at::Tensor m = block.modulation + time.e0;
      const at::Tensor self = self_attention(weights, block, stream, m, rope, attention);
      compare(name + ".self_attn", self[0]);
      const at::Tensor attended = stream + self * m.narrow(1, 2, 1);
      compare(name + ".cross_attn", cross_attention(weights, block, attended, context.blocks[i], context.bias)[0]);
      stream = run_block(weights, block, stream, time.e0, context.blocks[i], context.bias, rope, attention);
      compare(name, stream[0]);
    }
  }
}

/// The real model's head size, on weights that lie beside input and output in one file.
TEST(Dit, BlockWithHeadsOf128EqualsTheOfficialOne) {
  const c10::InferenceMode guard;
  const Golden golden("dit_head128.safetensors");
  std::map<std::string, at::Tensor> tensors;
  const Checkpoint source(golden_folder() / "dit_head128.safetensors");
  for (const std::string& name : source.names())
    if (name.starts_with("weights.")) tensors[name.substr(8)] = golden[name];
  const TemporaryCheckpoint file(tensors);
  const DitConfig config{.dim = 128, .ffn_dim = 160, .num_heads = 1, .num_layers = 1, .text_len = 32};
  const DitWeights weights = load_dit(Checkpoint(file.file()), config, Precision::reference, at::kCPU);
  expect_close("head128 t640", forward(weights, golden["x"], 640, golden["context"]), golden["out"], tolerance);
}

TEST(Dit, ExactIsNotFartherFromF32ThanTheOfficialBf16Is) {
  const c10::InferenceMode guard;
  const Golden golden("dit.safetensors"), official("dit_bf16_gpu.safetensors");
  const Checkpoint texts(golden_folder() / "text.safetensors");
  const at::Tensor text = texts.load("0.bf16", at::kBFloat16, at::kCPU);
  for (const std::string expert : {"high", "low"}) {
    const DitWeights weights = tiny(expert, Precision::exact);
    for (const std::int64_t t : timesteps) {
      const std::string name = expert + ".t" + std::to_string(t) + ".out";
      const double allowed = 1.2 * relative_distance(official["dit." + name], golden[name]);
      expect_within(name + " bf16", relative_distance(forward(weights, golden["x"], t, text), golden[name]), allowed);
    }
  }
}

/// Samples of a batch do not see each other, whatever the lengths of their texts and their timesteps.
TEST(Dit, BatchOfTwoEqualsTwoBatchesOfOne) {
  const c10::InferenceMode guard;
  const DitWeights weights = tiny("high", Precision::reference);
  const Golden texts("text.safetensors");
  const at::Tensor a = texts["0.f32"], b = texts["2.f32"];
  const at::Tensor x = at::randn({2, 16, 2, 6, 4}, at::detail::createCPUGenerator(1), at::kFloat);
  const at::Tensor rope = rope_table(token_grid(x), weights.head_dim(), at::kCPU);
  const at::Tensor both =
      dit_forward(weights, x, embed_time(weights, {999, 437}), embed_text(weights, {a, b}), rope, math_attention());
  expect_close("first of two", both[0], forward(weights, x[0], 999, a), 2e-6);
  expect_close("second of two", both[1], forward(weights, x[1], 437, b), 2e-6);
}

TEST(Dit, ATextThatFillsAllRowsHasNoPadding) {
  const c10::InferenceMode guard;
  const DitWeights weights = tiny("low", Precision::reference);
  const at::Tensor text = at::randn({512, weights.text_dim}, at::detail::createCPUGenerator(2), at::kFloat);
  const TextContext context = embed_text(weights, {text});
  EXPECT_EQ(context.bias.flatten()[512].item<float>(), -INFINITY);
  EXPECT_TRUE(at::isfinite(forward(weights, at::ones({16, 1, 4, 4}), 500, text)).all().item<bool>());
}

TEST(Dit, WeightBytesCountEveryWeight) {
  for (const Precision precision : {Precision::reference, Precision::exact}) {
    DitWeights weights = tiny("high", precision);
    std::uint64_t bytes = 0;
    for_each_tensor(weights, [&](at::Tensor& tensor) { bytes += tensor.nbytes(); });
    EXPECT_EQ(dit_weight_bytes(weights.config, weights.text_dim, precision), bytes);
  }
}

/// 1095 published tensors at 40 blocks: 27 a block, 15 outside; q k v and the cross k v are joined here.
TEST(Dit, EveryTensorIsVisitedOnce) {
  DitWeights weights = tiny("low", Precision::reference);
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
  EXPECT_NEAR(frame1[0][0].item<double>(), 0.5403, 1e-4);
  EXPECT_NEAR(frame1[1][1].item<double>(), 0.6115, 1e-4);
  EXPECT_NEAR(frame1[21][1].item<double>(), 1.5199e-4, 1e-8);
  EXPECT_NEAR(row1[22][0].item<double>(), 0.5403, 1e-4);
  EXPECT_NEAR(row1[42][1].item<double>(), 1.5505e-4, 1e-8);
  EXPECT_NEAR(column1[43][1].item<double>(), 0.8415, 1e-4);
  EXPECT_EQ(column1[0][0].item<double>(), 1.0);
}

TEST(TimeEmbedding, RowsOfDifferentTimestepsDoNotMix) {
  const c10::InferenceMode guard;
  const DitWeights weights = tiny("high", Precision::reference);
  const TimeEmbedding both = embed_time(weights, {999, 3});
  expect_close("row of t = 3", both.e[1], embed_time(weights, {3}).e[0], 1e-6);
}

}  // namespace
}  // namespace wf
