// tests/pipeline/weights/network_weights_test.cpp: weights by official names out of files of every form: 8 bits with
// scales, names of other programs, LoRAs; and files whose scales cannot be right.
#include "pipeline/weights/network_weights.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "pipeline/weights/scales.hpp"
#include "tests/golden.hpp"
#include "tests/pipeline/weights/error_message.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

using made::environment_error;
using test::TempFolder;
using Tensors = std::map<std::string, at::Tensor>;

constexpr const char* layer = "blocks.0.self_attn.q";

at::Tensor f8(std::initializer_list<float> values, at::IntArrayRef shape, at::ScalarType type = at::kFloat8_e4m3fn) {
  return at::tensor(std::vector<float>(values)).view(shape).to(type);
}

/// The least that an expert's file must hold to be known as one, and the tensors of a test.
Tensors expert_with(Tensors tensors) {
  tensors.emplace("patch_embedding.weight", at::zeros({2, 16, 1, 2, 2}));
  tensors.emplace(std::string(layer) + ".weight", f8({1, 2, -4, 0.5}, {2, 2}));
  return tensors;
}

struct ExpertFile {
  explicit ExpertFile(const Tensors& tensors) { write_safetensors(path(), tensors); }
  Path path() const { return folder.path() / "expert.safetensors"; }
  NetworkWeights open() const { return {Network::expert, path()}; }
  at::Tensor load(at::ScalarType dtype = at::kFloat) const {
    return open().load(std::string(layer) + ".weight", dtype, at::kCPU, {2, 2});
  }
  std::string refusal() const {
    return environment_error([&] { open(); });
  }
  TempFolder folder;
};

TEST(ScaledWeights, AreTheStoredNumbersTimesTheirScale) {
  const ExpertFile scalar(expert_with({{std::string(layer) + ".scale_weight", at::scalar_tensor(0.1f)}}));
  EXPECT_TRUE(at::equal(scalar.load(), at::tensor({1.f, 2.f, -4.f, 0.5f}).view({2, 2}) * 0.1f));
  const ExpertFile rows(expert_with({{std::string(layer) + ".weight_scale", at::tensor({0.1f, 3.f}).view({2, 1})}}));
  EXPECT_TRUE(at::equal(rows.load(), at::tensor({1 * 0.1f, 2 * 0.1f, -12.f, 1.5f}).view({2, 2})));
  EXPECT_EQ(rows.open().names(), (std::vector<std::string>{std::string(layer) + ".weight", "patch_embedding.weight"}));
}

TEST(ScaledWeights, AreRoundedOnce) {
  const float scale = 1.0f / 3;
  const ExpertFile file(expert_with({{std::string(layer) + ".scale_weight", at::scalar_tensor(scale)}}));
  const at::Tensor once = (at::tensor({1.f, 2.f, -4.f, 0.5f}).view({2, 2}) * scale).to(at::kBFloat16);
  EXPECT_TRUE(at::equal(file.load(at::kBFloat16), once));
}

TEST(ScaledWeights, AreWidenedAsTheyAreWithoutAScale) {
  EXPECT_TRUE(at::equal(ExpertFile(expert_with({})).load(), at::tensor({1.f, 2.f, -4.f, 0.5f}).view({2, 2})));
  const ExpertFile e5m2(
      expert_with({{std::string(layer) + ".weight", f8({1, 2, -4, 57344}, {2, 2}, at::kFloat8_e5m2)}}));
  EXPECT_TRUE(at::equal(e5m2.load(), at::tensor({1.f, 2.f, -4.f, 57344.f}).view({2, 2})));
}

at::Tensor text(const std::string& json) {
  return at::from_blob(const_cast<char*>(json.data()), {static_cast<std::int64_t>(json.size())}, at::kByte).clone();
}

TEST(ScaledWeights, OfComfysNewFormAreRead) {
  const ExpertFile file(expert_with({{std::string(layer) + ".weight_scale", at::scalar_tensor(0.5f)},
                                     {std::string(layer) + ".input_scale", at::scalar_tensor(9.f)},
                                     {std::string(layer) + ".comfy_quant", text(R"({"format": "float8_e4m3fn"})")}}));
  EXPECT_TRUE(at::equal(file.load(), at::tensor({0.5f, 1.f, -2.f, 0.25f}).view({2, 2})));
}

TEST(ScaledWeights, AreKeptIn8BitsWithEveryBit) {
  const ExpertFile file(expert_with({{std::string(layer) + ".scale_weight", at::scalar_tensor(0.1f)}}));
  const std::string name = std::string(layer) + ".weight";
  ASSERT_TRUE(file.open().is_kept_in_fp8(name));
  const ScaledMatrix kept = file.open().load_scaled(name, at::kFloat8_e4m3fn, at::kCPU, {2, 2});
  EXPECT_TRUE(at::equal(kept.weight.view(at::kByte), f8({1, 2, -4, 0.5}, {2, 2}).view(at::kByte)));
  EXPECT_TRUE(at::equal(kept.scale, at::tensor({0.1f, 0.1f})));
}

struct HostileScale {
  const char* what;
  Tensors tensors;
  const char* refusal;
};

class Hostile : public testing::TestWithParam<HostileScale> {};

std::vector<HostileScale> hostile_scales() {
  const std::string name = layer, scale = name + ".scale_weight", rows = name + ".weight_scale";
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  const auto filled = [](float value) { return at::scalar_tensor(value); };
  return {
      {"Zero", {{scale, filled(0)}}, "is a scale that is not a number above 0"},
      {"NaN", {{scale, filled(nan)}}, "is a scale that is not a number above 0"},
      {"Infinite", {{scale, filled(infinity)}}, "is a scale that is not a number above 0"},
      {"Negative", {{rows, at::tensor({1.f, -1.f}).view({2, 1})}}, "is a scale that is not a number above 0"},
      {"Double", {{scale, filled(1)}, {rows, filled(1)}}, "is a second scale of its matrix"},
      {"MissingByTheMarker", {{"scaled_fp8", f8({0, 0}, {2})}}, "its scale is missing, though this file stores scales"},
      {"MissingBesideOthers",
       {{"blocks.0.self_attn.k.weight", f8({1}, {1, 1})}, {"blocks.0.self_attn.k.scale_weight", filled(1)}},
       "its scale is missing, though this file stores scales"},
      {"OfNoMatrix",
       {{"blocks.0.self_attn.v.scale_weight", filled(1)}, {scale, filled(1)}},
       "self_attn.v.weight is missing"},
      {"OfAnotherShape", {{rows, at::ones({3, 1})}}, "a scale is one number, or one for each row of [2, 2]"},
      {"OfWholeNumbers", {{scale, at::ones({}, at::kInt)}}, "is a scale of type I32"},
      {"OfAWideMatrix", {{name + ".weight", at::ones({2, 2})}, {scale, filled(1)}}, "is stored as F32, not in 8 bits"},
      {"OfAnUnknownFormat", {{rows, filled(1)}, {name + ".comfy_quant", text(R"({"format": "mxfp8"})")}}, "mxfp8"},
  };
}

INSTANTIATE_TEST_SUITE_P(Scales, Hostile, testing::ValuesIn(hostile_scales()),
                         [](const auto& scale) { return scale.param.what; });

TEST_P(Hostile, IsRefusedByName) {
  const std::string message = ExpertFile(expert_with(GetParam().tensors)).refusal();
  EXPECT_CONTAINS(message, GetParam().refusal);
  EXPECT_CONTAINS(message, "expert.safetensors: tensor ");
}

TEST(NetworkWeights, AMissingTensorIsNamed) {
  const ExpertFile file(expert_with({}));
  EXPECT_CONTAINS(environment_error([&] { file.open().entry("head.head.weight"); }),
                  "expert.safetensors: tensor head.head.weight: is missing");
}

TEST(QuantiseRows, RoundsEachRowByItsLargestNumber) {
  const at::Tensor matrix = at::tensor({1.f, -896.f, 3.f, 0.f, 0.f, 0.f}).view({3, 2}).to(at::kFloat);
  const auto [weight, scale] = quantise_rows(matrix);
  EXPECT_TRUE(at::equal(scale, at::tensor({2.f, 3.f / 448, 1.f})));
  EXPECT_TRUE(at::equal(widened(weight, scale), matrix));
}

TEST(QuantiseRows, IsWithinHalfAStepOfEachNumber) {
  const at::Tensor matrix = at::randn({64, 96}, at::make_generator<at::CPUGeneratorImpl>(3), at::kFloat);
  const auto [weight, scale] = quantise_rows(matrix);
  const at::Tensor error = (widened(weight, scale) - matrix).abs();
  // Three bits of mantissa: a relative half step of 2^-4, and below 2^-6 scale steps of 2^-9.
  const at::Tensor allowed = at::maximum(matrix.abs() * std::exp2(-4.0), scale.unsqueeze(1) * std::exp2(-10.0));
  expect_within("error of rounding to 8 bits", (error / allowed).max().item<double>(), 1.0);
}

TEST(QuantiseRows, AnInfinityIsNotSilenced) {
  const at::Tensor matrix = at::tensor({1.f, std::numeric_limits<float>::infinity()}).view({1, 2});
  const auto [weight, scale] = quantise_rows(matrix);
  EXPECT_FALSE(at::isfinite(widened(weight, scale)).all().item<bool>());
}

}  // namespace
}  // namespace wf
