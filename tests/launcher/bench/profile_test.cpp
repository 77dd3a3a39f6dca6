// tests/launcher/bench/profile_test.cpp: times and costs of operations, and that they add up to those of whole
// networks.
#include "launcher/bench/profile.hpp"

#include <ATen/record_function.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <thread>

#include "launcher/bench/op_cost.hpp"
#include "pipeline/execution.hpp"
#include "pipeline/model/cost.hpp"
#include "pipeline/stages/models.hpp"
#include "tests/golden.hpp"

namespace wf {
namespace {

using Shape = std::vector<std::int64_t>;

const OpTime& op(const Profile& profile, const std::string& name) {
  const auto found =
      std::find_if(profile.ops.begin(), profile.ops.end(), [&](const OpTime& o) { return o.name == name; });
  if (found == profile.ops.end()) throw std::runtime_error(name + " was not seen");
  return *found;
}

std::int64_t flops(const Profile& profile) {
  std::int64_t sum = 0;
  for (const OpTime& each : profile.ops) sum += each.flops;
  return sum;
}

TEST(Profile, SumsCallsOfTheSameShapesAndSeparatesOthers) {
  const at::Tensor x = at::ones({4, 8}), wide = at::ones({16, 8}), narrow = at::ones({2, 8});
  const Profile seen = profile(at::kCPU, [&] {
    at::linear(x, wide);
    at::linear(x, wide);
    at::linear(x, narrow);
  });
  ASSERT_EQ(seen.ops.size(), 2u) << "operations within a linear are part of it";
  for (const OpTime& each : seen.ops) {
    const bool is_wide = each.shape == "16x8";
    EXPECT_EQ(each.shape, is_wide ? "16x8" : "2x8");
    EXPECT_EQ(each.calls, is_wide ? 2 : 1);
    EXPECT_EQ(each.flops, is_wide ? 2 * 2 * 4 * 8 * 16 : 2 * 4 * 8 * 2);
  }
}

TEST(Profile, TimeOutsideOfOperationsCountsOnlyInTheTotal) {
  const at::Tensor x = at::ones({256, 256});
  const Profile seen = profile(at::kCPU, [&] {
    for (int i = 0; i < 5; ++i) at::matmul(x, x);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  });
  const double products = op(seen, "matmul").seconds;
  EXPECT_GT(products, 0);
  EXPECT_GT(seen.seconds - products, 0.05) << "the pause is in no operation";
}

TEST(Profile, AddsUpBytesOfElementwiseOperationsButNotOfViews) {
  const at::Tensor x = at::ones({10, 10});
  const Profile seen = profile(at::kCPU, [&] {
    at::add(x, x);
    at::Tensor row = x.view({100});
    at::gelu_(row);
  });
  EXPECT_EQ(op(seen, "add").bytes, 3 * 400);
  EXPECT_EQ(op(seen, "gelu_").bytes, 2 * 400);
  EXPECT_EQ(op(seen, "view").bytes, 0);
}

TEST(Profile, RecordsKernelsThatAreNoOperatorsOfLibTorch) {
  const at::Tensor x = at::ones({2, 3, 4});
  const Profile seen = profile(at::kCPU, [&] {
    RECORD_FUNCTION("wf::rms_norm", std::vector<c10::IValue>{x});
    at::add(x, 1);
  });
  ASSERT_EQ(seen.ops.size(), 1u);
  EXPECT_EQ(seen.ops[0].shape, "2x3x4");
  EXPECT_EQ(seen.ops[0].bytes, 2 * 24 * 4);
}

TEST(Profile, LeavesNothingBehindWhenTheWorkThrows) {
  EXPECT_THROW(profile(at::kCPU, [] { throw std::runtime_error("stop"); }), std::runtime_error);
  EXPECT_FALSE(at::hasThreadLocalCallbacks());
}

TEST(OpCost, OfAttentionIsTheSameForBothTensorLayouts) {
  const TensorShape heads_first{{1, 40, 100, 128}, 2}, rows_first{{1, 100, 40, 128}, 2};
  const std::int64_t expected = 4 * 40 * 100 * 128 * 100;
  EXPECT_EQ(op_cost("aten::_scaled_dot_product_cudnn_attention", {heads_first, heads_first, heads_first}, {}).flops,
            expected);
  const OpCost fa3 = op_cost("fa3_fwd::fwd", {rows_first, rows_first, rows_first}, {});
  EXPECT_EQ(fa3.flops, expected);
  EXPECT_EQ(fa3.shape, "1x100x40x128, 100 keys");
}

TEST(OpCost, OfFusedKernelsIsTheBytesThatTheyReadAndWrite) {
  const TensorShape stream{{1, 10, 8}, 4}, narrow{{1, 10, 8}, 2};
  EXPECT_EQ(op_cost("wf::add_gated", {stream}, {}).bytes, 80 * (4 + 2 + 4));
  EXPECT_EQ(op_cost("wf::modulated_norm", {stream}, {}).bytes, 80 * (4 + 2));
  EXPECT_EQ(op_cost("wf::widen", {TensorShape{{10, 16}, 1}}, {}).bytes, 160 * (1 + 2));
  EXPECT_EQ(op_cost("wf::add_mean", {narrow}, {}).bytes, 80 * (2 + 2));
  EXPECT_EQ(op_cost("wf::write_heads", {narrow}, {}).bytes, 80 * (2 + 2));
  EXPECT_EQ(op_cost("wf::add_gated", {stream}, {stream}).bytes, 80 * (4 + 4 + 4)) << "where products are f32";
  const TensorShape few{{2, 10, 24}, 2}, many{{2, 1040, 24}, 2};  // three parts of 8 channels
  EXPECT_EQ(op_cost("wf::quantise_projection", {few}, {}).bytes, 2 * 10 * 8 * (3 * (2 + 1) + 3 * 2))
      << "k twice, v three times";
  EXPECT_EQ(op_cost("wf::quantise_projection", {many}, {}).bytes, 2 * 1040 * 8 * (3 * (2 + 1) + 2) + 2 * 65 * 8 * 4)
      << "v twice, and one row in 16 of k and v once more";
}

TEST(Cost, OfAForwardIsTheSumOfItsOperations) {
  const c10::InferenceMode no_autograd;
  Models models(ModelSource{golden_model()}, {});
  const DitWeights& expert = models.expert(Expert::high);
  const at::Tensor x = at::randn({1, 16, 3, 8, 12});
  const TextContext text = embed_text(expert, {at::randn({expert.config.text_len - 1, expert.text_dim})});
  const at::Tensor rope = rope_table(token_grid(x), expert.head_dim(), at::kCPU);
  const TimeEmbedding time = embed_time(expert, {900});
  const Profile seen =
      profile(at::kCPU, [&] { dit_forward(expert, x, time, text, rope, models.execution().attention); });
  EXPECT_EQ(flops(seen), dit_flops(expert.config, token_grid(x).tokens(), expert.config.text_len).forward());
}

TEST(Cost, OfDecodingIsTheSumOfItsOperations) {
  const c10::InferenceMode no_autograd;
  Models models(ModelSource{golden_model()}, {});
  const at::Tensor latents = at::randn({16, 4, 4, 6});
  const Profile seen = profile(at::kCPU, [&] { vae_decode(models.vae(), latents, [](const at::Tensor&) {}); });
  EXPECT_EQ(flops(seen), vae_decode_flops(models.vae(), 4, 32, 48).total());
}

TEST(Cost, OfATextIsTheSumOfItsOperations) {
  const c10::InferenceMode no_autograd;
  Models models(ModelSource{golden_model()}, {});
  const Umt5Weights& weights = models.text_encoder();
  const Profile seen = profile(at::kCPU, [&] { umt5_encode(weights, {3, 4, 5, 6, 7, 1}); });
  EXPECT_EQ(flops(seen), umt5_flops(weights, 6));
}

/// The sizes of the published experts.
constexpr DitConfig a14b{.dim = 5120, .ffn_dim = 13824, .num_heads = 40, .num_layers = 40};

TEST(Cost, OfAnA14bForwardIsThePublishedCount) {
  const DitFlops small = dit_flops(a14b, 32760, 512), large = dit_flops(a14b, 75600, 512);
  EXPECT_NEAR(static_cast<double>(small.linears + small.text), 0.785e15, 0.0005e15);
  EXPECT_NEAR(static_cast<double>(small.self_attention), 0.879e15, 0.0005e15);
  EXPECT_NEAR(static_cast<double>(small.forward() + small.text), 1.678e15, 0.0005e15);
  EXPECT_NEAR(static_cast<double>(large.linears + large.text), 1.810e15, 0.0005e15);
  EXPECT_NEAR(static_cast<double>(large.self_attention), 4.682e15, 0.0005e15);
  EXPECT_NEAR(static_cast<double>(large.forward() + large.text), 6.523e15, 0.001e15);
}

TEST(Cost, OfElementwiseStepsIsCountedByHand) {
  const DitConfig tiny{.dim = 8, .ffn_dim = 16, .num_heads = 1, .num_layers = 1};
  EXPECT_EQ(dit_elementwise_bytes(tiny, Precision::exact, 1), 8 * (3 * (4 + 2 + 4 + 2) + 3 * (2 + 2)));
  EXPECT_EQ(dit_elementwise_bytes(tiny, Precision::reference, 1), 8 * (3 * 16 + 3 * 8));
}

at::Tensor shape_only(const Shape& sizes) { return at::empty(sizes, at::TensorOptions(at::kMeta).dtype(at::kFloat)); }
vae::Conv conv(std::int64_t out, std::int64_t in, const Shape& kernel) {
  Shape sizes{out, in};
  sizes.insert(sizes.end(), kernel.begin(), kernel.end());
  return {shape_only(sizes), shape_only({out})};
}
vae::Residual residual(std::int64_t in, std::int64_t out) {
  return {
      {}, conv(out, in, {3, 3, 3}), {}, conv(out, out, {3, 3, 3}), in == out ? vae::Conv() : conv(out, in, {1, 1, 1})};
}
vae::Upsample upsample(std::int64_t in, bool time) {
  return {conv(in / 2, in, {3, 3}), time ? conv(2 * in, in, {3, 1, 1}) : vae::Conv()};
}

/// The decoder of Wan 2.1 at its published width.
VaeWeights published_decoder() {
  VaeWeights weights;
  weights.decoder_in = conv(16, 16, {1, 1, 1});
  weights.decoder.first = conv(384, 16, {3, 3, 3});
  weights.decoder.layers = {residual(384, 384),   vae::Attention{{}, conv(1152, 384, {}), conv(384, 384, {})},
                            residual(384, 384),   residual(384, 384),
                            residual(384, 384),   residual(384, 384),
                            upsample(384, true),  residual(192, 384),
                            residual(384, 384),   residual(384, 384),
                            upsample(384, true),  residual(192, 192),
                            residual(192, 192),   residual(192, 192),
                            upsample(192, false), residual(96, 96),
                            residual(96, 96),     residual(96, 96)};
  weights.decoder.last = conv(3, 96, {3, 3, 3});
  return weights;
}

TEST(Cost, OfDecoding81FramesIsThePublishedCount) {
  const VaeFlops small = vae_decode_flops(published_decoder(), 21, 480, 832);
  const VaeFlops large = vae_decode_flops(published_decoder(), 21, 720, 1280);
  EXPECT_NEAR(static_cast<double>(small.convolutions), 274e12, 0.5e12);
  EXPECT_NEAR(static_cast<double>(large.convolutions), 633e12, 0.5e12);
  EXPECT_NEAR(static_cast<double>(small.attention), 1.3e12, 0.05e12);
  EXPECT_NEAR(static_cast<double>(large.attention), 6.7e12, 0.05e12);
}

}  // namespace
}  // namespace wf
