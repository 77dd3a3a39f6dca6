// tests/pipeline/model/dit_fp8_test.cpp: an expert whose matrices are kept in 8 bits computes what the same numbers do
// in the dtype of the products, bit for bit; one that multiplies in 8 bits does so in the layers and blocks that it is
// to.
#include <c10/core/InferenceMode.h>

#include "pipeline/kernels/widen.hpp"
#include "tests/pipeline/model/tiny_dit.hpp"

namespace wf {
namespace {

const Path single = golden_folder() / "variants" / "single";

/// The high-noise expert out of a file with matrices in 8 bits.
DitWeights fp8_dit(const std::string& form, Precision precision, WeightForm kept, const BlockNumbers& exact = {}) {
  const Path config = golden_model() / "high_noise_model" / "config.json";
  return load_dit({Network::expert, single / ("high_" + form + ".safetensors")}, read_dit_config(config), precision,
                  test::device(), kept, exact);
}

std::vector<at::Tensor> tensors_of(DitWeights weights) {
  std::vector<at::Tensor> tensors;
  for_each_tensor(weights, [&](at::Tensor& tensor) { tensors.push_back(tensor); });
  return tensors;
}

void expect_same_tensors(const DitWeights& ours, const DitWeights& wanted) {
  const std::vector<at::Tensor> a = tensors_of(ours), b = tensors_of(wanted);
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].scalar_type(), b[i].scalar_type());
    EXPECT_TRUE(at::equal(a[i], b[i])) << i;
  }
}

at::Tensor golden_forward(const DitWeights& weights, const SelfAttention& attention = math_attention()) {
  return forward(weights, Golden("dit.safetensors").input("x"), 876, Golden("text.safetensors").input("0.f32"),
                 attention);
}

class FormOf8Bits : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Files, FormOf8Bits, testing::Values("fp8_scaled", "fp8_rows"),
                         [](const auto& form) { return form.param; });

TEST_P(FormOf8Bits, ComputesTheSameBitsAsWidenedAtLoad) {
  const c10::InferenceMode guard;
  for (const Precision precision : {Precision::reference, Precision::exact}) {
    const at::Tensor wide = golden_forward(fp8_dit(GetParam(), precision, WeightForm::as_computed));
    for (const WeightForm form : {WeightForm::as_stored, WeightForm::fp8}) {
      const DitWeights kept = fp8_dit(GetParam(), precision, form);
      EXPECT_EQ(kept.blocks.front().qkv.weight.element_size(), 1u);
      EXPECT_FALSE(kept.is_rounded_to_fp8);
      EXPECT_TRUE(at::equal(golden_forward(kept), wide));
    }
  }
}

TEST_P(FormOf8Bits, WidensToWhatIsLoadedWide) {
  const c10::InferenceMode guard;
  for (const Precision precision : {Precision::reference, Precision::exact}) {
    int fetched = 0;
    const auto fetch = [&](const at::Tensor& tensor) { return ++fetched, tensor; };
    const DitWeights kept = fp8_dit(GetParam(), precision, WeightForm::as_stored);
    expect_same_tensors(widened(kept, fetch), fp8_dit(GetParam(), precision, WeightForm::as_computed));
    EXPECT_EQ(static_cast<std::size_t>(fetched), tensors_of(kept).size()) << "each tensor is brought over once";
  }
}

TEST(Fp8Dit, OfAWideFileIsRoundedByRows) {
  const c10::InferenceMode guard;
  const Path folder = golden_model() / "high_noise_model";
  const NetworkWeights files(Network::expert, folder);
  const DitWeights kept =
      load_dit(files, read_dit_config(folder / "config.json"), Precision::reference, test::device(), WeightForm::fp8);
  EXPECT_TRUE(kept.is_rounded_to_fp8);
  const ScaledMatrix wanted = quantise_rows(files.load("blocks.1.ffn.0.weight", at::kFloat, test::device(), {192, 96}));
  const Linear& up = kept.blocks[1].ffn_up;
  EXPECT_TRUE(at::equal(up.weight.view(at::kByte), wanted.weight.view(at::kByte)));
  EXPECT_TRUE(at::equal(up.scale, wanted.scale));
  // What 3 bits of mantissa cost this network; far off would be a scale at the wrong row.
  expect_close("an expert rounded to 8 bits", golden_forward(kept),
               golden_forward(tiny_dit("high", Precision::reference)), 0.05);
}

TEST(Fp8Dit, WeightBytesCountEveryWeight) {
  for (const Precision precision : {Precision::reference, Precision::exact}) {
    const DitWeights weights = fp8_dit("fp8_rows", precision, WeightForm::fp8);
    std::uint64_t bytes = 0;
    for (const at::Tensor& tensor : tensors_of(weights)) bytes += tensor.nbytes();
    EXPECT_EQ(dit_weight_bytes(weights.config, weights.text_dim, precision, WeightForm::fp8), bytes);
  }
}

/// All 8-bit numbers that are finite, times a scale, in a matrix of hostile sizes.
TEST(Widen, IsTheNumberTimesTheScaleRoundedOnce) {
  const std::vector<std::vector<std::int64_t>> shapes{{1, 256}, {256, 1}, {16, 16}, {2, 128}};
  for (const at::ScalarType type : {at::kFloat8_e4m3fn, at::kFloat8_e5m2})
    for (const std::vector<std::int64_t>& shape : shapes) {
      const at::Tensor bits = at::arange(256, at::kByte).view(shape);
      const at::Tensor wide = bits.view(type).to(at::kFloat);
      const at::Tensor scale = at::arange(1, shape[0] + 1, at::kFloat) / 3;
      const at::Tensor wanted = (wide * scale.unsqueeze(1)).to(at::kBFloat16);
      const at::Tensor ours = widen(test::on_device(bits).view(type), test::on_device(scale), at::kBFloat16).cpu();
      EXPECT_TRUE(at::allclose(ours, wanted, /*rtol=*/0, /*atol=*/0, /*equal_nan=*/true)) << type << shape;
    }
}

// ---- Products of 8-bit numbers ----

DitWeights exact_file(Precision precision, const BlockNumbers& exact = {}, at::Device device = test::device()) {
  const Path folder = golden_model() / "high_noise_model";
  return load_dit({Network::expert, folder}, read_dit_config(folder / "config.json"), precision, device,
                  WeightForm::as_computed, exact);
}

/// Which layers of a block multiply in 8 bits, by name.
std::string layers_in_fp8(const DitBlock& block) {
  std::string names;
  for (const auto& [name, layer] :
       std::initializer_list<std::pair<const char*, const Linear&>>{{"qkv ", block.qkv},
                                                                    {"out ", block.out},
                                                                    {"cross_q ", block.cross_q},
                                                                    {"cross_kv ", block.cross_kv},
                                                                    {"cross_out ", block.cross_out},
                                                                    {"ffn_up ", block.ffn_up},
                                                                    {"ffn_down ", block.ffn_down}}) {
    EXPECT_TRUE(!layer.multiplies_in_fp8 || layer.weight.scalar_type() == at::kFloat8_e4m3fn) << name;
    if (layer.multiplies_in_fp8) names += name;
  }
  return names;
}

TEST(PrecisionsWith8Bits, MultiplyTheLayersThatTheirNamesSay) {
  const c10::InferenceMode guard;
  EXPECT_EQ(layers_in_fp8(exact_file(Precision::exact).blocks[1]), "");
  EXPECT_EQ(layers_in_fp8(exact_file(Precision::fp8_ffn).blocks[1]), "ffn_up ffn_down ");
  for (const Precision precision : {Precision::fp8_linear, Precision::fp8}) {
    const DitWeights weights = exact_file(precision);
    EXPECT_EQ(layers_in_fp8(weights.blocks[1]), "qkv out cross_q cross_out ffn_up ffn_down ");
    EXPECT_EQ(weights.blocks[1].cross_kv.weight.element_size(), 1u);
    EXPECT_FALSE(weights.is_rounded_to_fp8) << "the precision says so";
  }
}

TEST(PrecisionsWith8Bits, AreFartherFromF32ThanExactByWhatTheyRound) {
  const c10::InferenceMode guard;
  const at::Tensor f32 = golden_forward(exact_file(Precision::reference));
  constexpr double allowed = 0.05;
  double exact = 0;
  for (const Precision precision : {Precision::exact, Precision::fp8_ffn, Precision::fp8_linear, Precision::fp8}) {
    const SelfAttention attention =
        precision == Precision::fp8 ? rounded_attention(math_attention()) : SelfAttention(math_attention());
    const at::Tensor ours = golden_forward(exact_file(precision), attention);
    const double distance = ((ours - f32).norm() / f32.norm()).item<double>();
    std::printf("  %-10s %.4f (%.0f %% of the allowed)\n", to_string(precision), distance, 100 * distance / allowed);
    if (precision == Precision::exact) exact = distance;
    EXPECT_TRUE(precision == Precision::exact || distance > 2 * exact) << to_string(precision);
    EXPECT_LT(distance, allowed) << to_string(precision);
  }
}

/// An expert for steps that are not to be rounded: what its numbers in 8 bits mean, in the products of `exact`.
TEST(PrecisionsWith8Bits, HaveExactProductsOfTheSameWeights) {
  const c10::InferenceMode guard;
  const DitWeights weights = exact_file(Precision::fp8_linear), exact = with_exact_products(weights);
  EXPECT_EQ(layers_in_fp8(exact.blocks[0]), "");
  EXPECT_EQ(exact.blocks[0].qkv.weight.data_ptr(), weights.blocks[0].qkv.weight.data_ptr());
  const DitWeights wide = widened(exact, [](const at::Tensor& tensor) { return tensor; });
  EXPECT_EQ(wide.blocks[0].qkv.weight.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(at::equal(golden_forward(exact), golden_forward(wide)));
}

TEST(PrecisionsWith8Bits, TakeTheBytesThatAreCounted) {
  const c10::InferenceMode guard;
  for (const Precision precision : {Precision::exact, Precision::fp8_ffn, Precision::fp8_linear, Precision::fp8}) {
    const DitWeights weights = exact_file(precision);
    std::uint64_t bytes = 0;
    for (const at::Tensor& tensor : tensors_of(weights)) bytes += tensor.nbytes();
    EXPECT_EQ(bytes, dit_weight_bytes(weights.config, weights.text_dim, precision)) << to_string(precision);
  }
}

// ---- Exact blocks ----

constexpr Precision in_8_bits[] = {Precision::fp8_ffn, Precision::fp8_linear, Precision::fp8};

void expect_same_matrices(const DitBlock& ours, const DitBlock& wanted) {
  for (Linear DitBlock::*layer : {&DitBlock::qkv, &DitBlock::out, &DitBlock::cross_q, &DitBlock::cross_kv,
                                  &DitBlock::cross_out, &DitBlock::ffn_up, &DitBlock::ffn_down}) {
    EXPECT_EQ((ours.*layer).weight.scalar_type(), (wanted.*layer).weight.scalar_type());
    EXPECT_TRUE(at::equal((ours.*layer).weight, (wanted.*layer).weight));
    EXPECT_FALSE((ours.*layer).scale.defined());
  }
}

TEST(ExactBlocks, AreKeptAsInExactAndCountedSo) {
  const c10::InferenceMode guard;
  const DitWeights exact = exact_file(Precision::exact);
  for (const Precision precision : in_8_bits) {
    const DitWeights weights = exact_file(precision, {1});
    EXPECT_NE(layers_in_fp8(weights.blocks[0]), "");
    EXPECT_EQ(layers_in_fp8(weights.blocks[1]), "");
    expect_same_matrices(weights.blocks[1], exact.blocks[1]);
    std::uint64_t bytes = 0;
    for (const at::Tensor& tensor : tensors_of(weights)) bytes += tensor.nbytes();
    EXPECT_EQ(bytes, dit_weight_bytes(weights.config, weights.text_dim, precision, WeightForm::as_computed, 1));
  }
}

/// A rank that copies the expert of another one goes by what the headers of the files say of its tensors.
TEST(ExactBlocks, AreKnownFromTheHeadersAlone) {
  const c10::InferenceMode guard;
  for (const Precision precision : in_8_bits) {
    const DitWeights weights = exact_file(precision, {1}), like = exact_file(precision, {1}, at::kMeta);
    EXPECT_TRUE(like.blocks[1].is_exact && !like.blocks[0].is_exact);
    const std::vector<at::Tensor> ours = tensors_of(like), wanted = tensors_of(weights);
    ASSERT_EQ(ours.size(), wanted.size());
    for (std::size_t i = 0; i < ours.size(); ++i) {
      EXPECT_EQ(ours[i].sizes(), wanted[i].sizes());
      EXPECT_EQ(ours[i].scalar_type(), wanted[i].scalar_type());
    }
  }
}

TEST(ExactBlocks, OfWeightsRoundedByChoiceAreNotRounded) {
  const c10::InferenceMode guard;
  const Path folder = golden_model() / "high_noise_model";
  const DitWeights weights = load_dit({Network::expert, folder}, read_dit_config(folder / "config.json"),
                                      Precision::fp8_ffn, test::device(), WeightForm::fp8, {1});
  expect_same_matrices(weights.blocks[1], exact_file(Precision::exact).blocks[1]);
  EXPECT_EQ(weights.blocks[0].qkv.weight.element_size(), 1u);
}

TEST_P(FormOf8Bits, ExactBlocksAreWidenedAtLoadOrOnTheirWayToTheDevice) {
  const c10::InferenceMode guard;
  const DitWeights wanted = fp8_dit(GetParam(), Precision::exact, WeightForm::as_computed);
  expect_same_matrices(fp8_dit(GetParam(), Precision::fp8, WeightForm::as_computed, {1}).blocks[1], wanted.blocks[1]);
  const DitWeights kept = fp8_dit(GetParam(), Precision::fp8_ffn, WeightForm::as_stored, {1});
  EXPECT_EQ(kept.blocks[1].qkv.weight.element_size(), 1u) << "the copy in host memory";
  EXPECT_EQ(layers_in_fp8(kept.blocks[1]), "");
  expect_same_matrices(widened(kept, [](const at::Tensor& tensor) { return tensor; }).blocks[1], wanted.blocks[1]);
}

TEST(ExactBlocks, AllOfThemAreTheExactExpertBitForBit) {
  const c10::InferenceMode guard;
  const at::Tensor wanted = golden_forward(exact_file(Precision::exact));
  for (const Precision precision : in_8_bits)
    EXPECT_TRUE(at::equal(golden_forward(exact_file(precision, {0, 1}), rounded_attention(math_attention())), wanted))
        << to_string(precision);
}

/// Block 0 out of one expert and block 1 out of the other, each with its own attention, and the rest, which is alike.
TEST(ExactBlocks, HaveTheirOwnProductsAndAttentionAndOthersKeepTheirs) {
  const c10::InferenceMode guard;
  const DitWeights fp8 = exact_file(Precision::fp8), exact = exact_file(Precision::exact);
  const SelfAttention rounded = rounded_attention(math_attention());
  const at::Tensor x = Golden("dit.safetensors").input("x").unsqueeze(0);
  const at::Tensor text = Golden("text.safetensors").input("0.f32");
  const TokenGrid grid = token_grid(x);
  const at::Tensor rope = rope_table(grid, exact.head_dim(), exact.device());
  const TimeEmbedding time = embed_time(exact, {876});
  ResidualStream stream{embed_patches(exact, patchify(x))};
  const auto run = [&](const DitWeights& weights, std::size_t i, const SelfAttention& attention) {
    BlockAttention of_block(attention, grid.tokens());
    const TextContext context = embed_text(weights, {text});
    run_block(weights, weights.blocks[i], stream, time.e0, context.blocks[i], context.bias, rope, of_block);
  };
  run(fp8, 0, rounded);
  run(exact, 1, math_attention());
  const at::Tensor by_hand =
      unpatchify(run_head(exact, stream.sum(), time.e), grid)[0].to(at::kBFloat16).to(at::kFloat);
  EXPECT_TRUE(at::equal(golden_forward(exact_file(Precision::fp8, {1}), rounded), by_hand));
  EXPECT_FALSE(at::equal(golden_forward(fp8, rounded), by_hand));
}

}  // namespace
}  // namespace wf
