// tests/pipeline/weights/lora_test.cpp: what LoRA files add to an expert's tensors, against sums made by hand.
#include "pipeline/weights/lora.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/golden.hpp"
#include "tests/pipeline/weights/error_message.hpp"
#include "tests/pipeline/weights/made_files.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

using made::environment_error;
using Tensors = std::map<std::string, at::Tensor>;

const std::string layer = "diffusion_model.blocks.0.self_attn.q.";
const std::string target = "blocks.0.self_attn.q.weight";
constexpr double infinity = std::numeric_limits<double>::infinity();

at::Tensor numbers(std::vector<float> values, at::IntArrayRef shape) { return at::tensor(values).reshape(shape); }

/// Factors of rank 2: up down = [[2, 4, 6], [3, 0, -1]].
Tensors factors() {
  return {{layer + "lora_down.weight", numbers({1, 2, 3, 3, 0, -1}, {2, 3})},
          {layer + "lora_up.weight", numbers({2, 0, 0, 1}, {2, 2})}};
}
at::Tensor product() { return numbers({2, 4, 6, 3, 0, -1}, {2, 3}); }

class LoraTest : public testing::Test {
 protected:
  Path write(const Tensors& tensors, const std::string& name = "lora.safetensors") {
    write_safetensors(folder_ / name, tensors);
    return folder_ / name;
  }
  Lora open(const Tensors& tensors, double strength = 1, Expert expert = Expert::high) {
    return Lora({write(tensors), strength}, expert);
  }
  /// What a file adds to a tensor of zeros.
  at::Tensor added(const Lora& lora, const std::string& name, at::IntArrayRef shape) {
    const at::Tensor weight = at::zeros(shape);
    lora.add_to(name, weight);
    return weight;
  }
  at::Tensor added(const Tensors& tensors, double strength = 1) {
    return added(open(tensors, strength), target, {2, 3});
  }

  test::TempFolder folder_;
};

Tensors with(Tensors tensors, const std::string& name, const at::Tensor& tensor) {
  tensors[name] = tensor;
  return tensors;
}

#define EXPECT_SAME(ours, expected) EXPECT_TRUE(at::equal(ours, expected)) << (ours) << "\n instead of\n" << (expected)

// --- products

TEST_F(LoraTest, AddsStrengthTimesAlphaOverRankTimesTheProduct) {
  EXPECT_SAME(added(with(factors(), layer + "alpha", at::scalar_tensor(3))), product() * 1.5);
  EXPECT_SAME(added(with(factors(), layer + "alpha", at::scalar_tensor(8)), -0.25), product() * -1);
  const at::Tensor weight = numbers({1, 1, 1, 1, 1, 0.5}, {2, 3});
  open(factors(), 0.5).add_to(target, weight);
  EXPECT_SAME(weight, numbers({2, 3, 4, 2.5, 1, 0}, {2, 3}));
}

TEST_F(LoraTest, TheFactorIsOneWhereNothingTellsAlpha) { EXPECT_SAME(added(factors()), product()); }

TEST_F(LoraTest, AlphaMayHaveAnyTypeAndOneElement) {
  for (const at::ScalarType type :
       {at::kDouble, at::kFloat, at::kBFloat16, at::kHalf, at::kFloat8_e4m3fn, at::kFloat8_e5m2, at::kLong, at::kInt})
    for (const at::Tensor& alpha : {at::scalar_tensor(3), at::full({1}, 3)})
      EXPECT_SAME(added(with(factors(), layer + "alpha", alpha.to(type))), product() * 1.5);
}

TEST_F(LoraTest, FactorsMayHaveAnyFloatType) {
  for (const at::ScalarType type :
       {at::kDouble, at::kFloat, at::kBFloat16, at::kHalf, at::kFloat8_e4m3fn, at::kFloat8_e5m2}) {
    Tensors stored = factors();
    for (auto& [name, tensor] : stored) tensor = tensor.to(type);
    EXPECT_SAME(added(stored), product());
  }
}

TEST_F(LoraTest, AddsInF32WhatBf16WouldRoundAway) {
  const at::Tensor weight = at::ones({2, 3});
  open(with(factors(), layer + "alpha", at::scalar_tensor(std::ldexp(1.0, -20)))).add_to(target, weight);
  EXPECT_SAME(weight, 1 + product() * std::ldexp(1.f, -21));
}

TEST_F(LoraTest, AProductForAConvolutionHasItsShape) {
  // up = [[1], [-2]], down = 1 ... 8 over [in 2, 1, 2, 2]
  const at::Tensor down = at::arange(1., 9.).to(at::kFloat);
  const Lora lora = open({{"lora_unet_patch_embedding.lora_down.weight", down.reshape({1, 2, 1, 2, 2})},
                          {"lora_unet_patch_embedding.lora_up.weight", numbers({1, -2}, {2, 1, 1, 1, 1})}});
  EXPECT_SAME(added(lora, "patch_embedding.weight", {2, 2, 1, 2, 2}),
              at::stack({down, -2 * down}).reshape({2, 2, 1, 2, 2}));
}

TEST_F(LoraTest, FactorsOfAConvolutionMayBeMatrices) {
  const Lora lora = open({{"patch_embedding.lora_down", at::arange(1., 9.).reshape({1, 8}).to(at::kFloat)},
                          {"patch_embedding.lora_up", numbers({2}, {1, 1})}});
  EXPECT_SAME(added(lora, "patch_embedding.weight", {1, 2, 1, 2, 2}),
              at::arange(2., 18., 2.).reshape({1, 2, 1, 2, 2}).to(at::kFloat));
}

TEST_F(LoraTest, TheBiasOfAFactorIsScaledLikeTheProduct) {
  const Lora lora = open(
      with(with(factors(), layer + "lora_B.bias", numbers({1, -3}, {2})), layer + "alpha", at::scalar_tensor(4)), 0.5);
  EXPECT_SAME(added(lora, "blocks.0.self_attn.q.bias", {2}), numbers({1, -3}, {2}));
  EXPECT_SAME(added(lora, target, {2, 3}), product());
}

// --- differences

TEST_F(LoraTest, DifferencesAreAddedWithTheStrengthAlone) {
  const at::Tensor matrix = product(), vector = numbers({1, -2}, {2}), table = numbers({1, 2, 3, 4, 5, 6}, {1, 6, 1}),
                   kernel = at::arange(8.).to(at::kFloat).reshape({1, 2, 1, 2, 2});
  const Lora lora = open({{layer + "diff", matrix},
                          {layer + "alpha", at::scalar_tensor(64)},  // of factors that are not there
                          {layer + "diff_b", vector},
                          {"diffusion_model.blocks.0.norm3.diff", vector},
                          {"diffusion_model.blocks.0.diff_m", table},
                          {"diffusion_model.head.diff_m", numbers({1, 2}, {1, 2, 1})},
                          {"diffusion_model.patch_embedding.diff", kernel.to(at::kHalf)}},
                         0.5);
  EXPECT_SAME(added(lora, target, {2, 3}), matrix * 0.5);
  EXPECT_SAME(added(lora, "blocks.0.self_attn.q.bias", {2}), vector * 0.5);
  EXPECT_SAME(added(lora, "blocks.0.norm3.weight", {2}), vector * 0.5);
  EXPECT_SAME(added(lora, "blocks.0.modulation", {1, 6, 1}), table * 0.5);
  EXPECT_SAME(added(lora, "head.modulation", {1, 2, 1}), numbers({0.5, 1}, {1, 2, 1}));
  EXPECT_SAME(added(lora, "patch_embedding.weight", {1, 2, 1, 2, 2}), kernel * 0.5);
  EXPECT_EQ(lora.targets().size(), 6u);
  EXPECT_EQ(lora.unused(), std::vector<std::string>{layer + "alpha"});
}

TEST_F(LoraTest, AProductAndADifferenceOfOneTensorAreBothAdded) {
  EXPECT_SAME(added(with(factors(), layer + "diff", at::ones({2, 3}))), product() + 1);
}

// --- what stays as it is

TEST_F(LoraTest, StrengthZeroKeepsEveryBit) {
  Tensors stored = with(factors(), layer + "diff", at::ones({2, 3}));
  stored[layer + "lora_up.weight"].fill_(infinity);
  const at::Tensor weight = at::full({2, 3}, -0.f);
  open(stored, 0).add_to(target, weight);
  EXPECT_TRUE(weight.signbit().all().item<bool>()) << weight;
}

TEST_F(LoraTest, ATensorThatIsNotChangedIsLeftAlone) {
  const Lora lora = open(factors());
  EXPECT_SAME(added(lora, "blocks.0.self_attn.k.weight", {5}), at::zeros({5}));
  lora.check_shape("blocks.0.self_attn.k.weight", {5});
  EXPECT_EQ(lora.targets(), std::vector<std::string>{target});
}

TEST_F(LoraTest, TwoFilesAreAddedOneAfterTheOther) {
  const Lora one({write(factors(), "one.safetensors"), 1}, Expert::low);
  const Lora two({write({{layer + "diff", at::full({2, 3}, 10.)}}, "two.safetensors"), 0.5}, Expert::low);
  const at::Tensor weight = at::zeros({2, 3});
  one.add_to(target, weight);
  two.add_to(target, weight);
  EXPECT_SAME(weight, product() + 5);
}

// --- pairs in one file

TEST_F(LoraTest, EachExpertTakesItsOwnPartOfAPair) {
  const Path file = write({{"transformer.blocks.0.attn1.to_q.diff", at::ones({2, 3})},
                           {"transformer_2.blocks.0.attn1.to_q.diff", at::full({2, 3}, 2.)}});
  EXPECT_SAME(added(Lora({file, 1}, Expert::high), target, {2, 3}), at::ones({2, 3}));
  EXPECT_SAME(added(Lora({file, 1}, Expert::low), target, {2, 3}), at::full({2, 3}, 2.));
}

// --- alpha beside the tensors

TEST_F(LoraTest, AlphaMayStandInTheAdapterConfigBesideTheFile) {
  folder_.write("adapter_config.json", R"({"lora_alpha": 3, "r": 2})");
  EXPECT_SAME(added(factors()), product() * 1.5);
  EXPECT_EQ(adapter_config_of(folder_ / "lora.safetensors"), folder_ / "adapter_config.json");
}

TEST_F(LoraTest, AFolderWithTheFileAndItsConfigIsReadToo) {
  folder_.write("adapter_config.json", R"({"lora_alpha": 4, "use_rslora": true})");
  write(factors(), "adapter_model.safetensors");
  EXPECT_SAME(added(Lora({folder_.path(), 1}, Expert::high), target, {2, 3}),
              at::zeros({2, 3}).add(product(), 4 / std::sqrt(2.)));
  EXPECT_EQ(adapter_config_of(folder_.path()), folder_ / "adapter_config.json");
}

TEST_F(LoraTest, AlphaAmongTheTensorsGoesBeforeAConfig) {
  folder_.write("adapter_config.json", R"({"lora_alpha": 3})");
  EXPECT_SAME(added(with(factors(), layer + "alpha", at::scalar_tensor(2))), product());
}

/// A file with one factor pair of rank 2 for each expert, and this text in its header.
std::string pair_with_metadata(const std::string& text) {
  std::string header = R"({"__metadata__":{"lora_adapter_metadata":")" + text + R"("})", data;
  for (const char* network : {"transformer", "transformer_2"})
    for (const auto& [part, tensor] : {std::pair("lora_A", at::eye(2)), std::pair("lora_B", at::full({2, 2}, 1.f))}) {
      const std::size_t begin = data.size();
      data.append(static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes());
      header += std::string(R"(,")") + network + ".blocks.0.attn1.to_q." + part +
                R"(.weight":{"dtype":"F32","shape":[2,2],"data_offsets":[)" + std::to_string(begin) + "," +
                std::to_string(data.size()) + "]}";
    }
  return made::safetensors(header + "}", data);
}

TEST_F(LoraTest, AlphaMayStandInTheHeaderAsDiffusersWritesIt) {
  folder_.write("adapter_config.json", R"({"lora_alpha": 100})");  // the file's own text goes before it
  const Path file = folder_.write(
      "pair.safetensors", pair_with_metadata(R"({\"transformer.lora_alpha\": 6, \"transformer_2.lora_alpha\": 1})"));
  EXPECT_SAME(added(Lora({file, 1}, Expert::high), target, {2, 2}), at::full({2, 2}, 3.));
  EXPECT_SAME(added(Lora({file, 1}, Expert::low), target, {2, 2}), at::full({2, 2}, 0.5));
}

TEST_F(LoraTest, ABrokenConfigIsRefusedByName) {
  const Path config = folder_.write("adapter_config.json", R"({"lora_alpha": "many"})");
  EXPECT_EQ(environment_error([&] { open(factors()); }), config.string() + ": lora_alpha is not a number");
  const Path file = folder_.write("pair.safetensors", pair_with_metadata(R"({\"transformer.use_dora\": true})"));
  EXPECT_CONTAINS(environment_error([&] {
                    Lora({file, 1}, Expert::high);
                  }),
                  file.string() + ": lora_adapter_metadata: transformer.use_dora: a DoRA is not merged");
}

// --- what is refused

TEST_F(LoraTest, AnAlphaThatIsNoFiniteNumberIsRefused) {
  const std::string where = (folder_ / "lora.safetensors").string() + ": tensor " + layer + "alpha: ";
  for (const double alpha : {std::numeric_limits<double>::quiet_NaN(), infinity, -infinity})
    EXPECT_EQ(environment_error([&] { open(with(factors(), layer + "alpha", at::scalar_tensor(alpha))); }),
              where + "is not a finite number");
  EXPECT_EQ(environment_error([&] { open(with(factors(), layer + "alpha", at::ones({2}))); }),
            where + "is not one number, but has shape [2]");
  EXPECT_EQ(environment_error([&] { open(with(factors(), layer + "alpha", at::ones({0}))); }),
            where + "is not one number, but has shape [0]");
}

TEST_F(LoraTest, AChangeThatIsNotFiniteIsRefused) {
  for (const std::string part : {"lora_down.weight", "lora_up.weight", "diff"}) {
    Tensors stored = with(factors(), layer + "diff", at::ones({2, 3}));
    stored[layer + part][1][0] = std::numeric_limits<double>::quiet_NaN();
    const Lora lora = open(stored);
    EXPECT_CONTAINS(environment_error([&] {
                      added(lora, target, {2, 3});
                    }),
                    "tensor " + layer + part + ": holds an infinity or NaN");
  }
}

std::string misfit(const Lora& lora, const std::string& name, const std::vector<std::int64_t>& shape) {
  const std::string message = environment_error([&] { lora.check_shape(name, shape); });
  const std::string where = lora.file().string() + ": is a LoRA of another network: ";
  EXPECT_EQ(message.substr(0, where.size()), where);
  return message.substr(std::min(where.size(), message.size()));
}

TEST_F(LoraTest, ALoraOfAnotherNetworkIsRefusedWithBothShapes) {
  const Lora lora = open(with(factors(), layer + "diff_b", at::ones({2})));
  lora.check_shape(target, {2, 3});
  EXPECT_EQ(misfit(lora, target, {3, 2}),
            layer + "lora_up.weight changes [2, 3], but blocks.0.self_attn.q.weight has shape [3, 2]");
  EXPECT_EQ(misfit(lora, "blocks.0.self_attn.q.bias", {4}),
            layer + "diff_b changes [2], but blocks.0.self_attn.q.bias has shape [4]");
  for (const std::vector<std::int64_t>& shape : {std::vector<std::int64_t>{2}, {}, {2, 4}, {5, 3}, {6}, {2, 3, 2}})
    EXPECT_CONTAINS(misfit(lora, target, shape), "lora_up.weight changes [2, 3], but");
}

TEST_F(LoraTest, TheNetworkOfALoraIsGuessedFromItsWidth) {
  const auto of_width = [&](std::int64_t width) {
    return misfit(
        open({{layer + "lora_A.weight", at::ones({1, width})}, {layer + "lora_B.weight", at::ones({width, 1})}}),
        target, {96, 96});
  };
  EXPECT_EQ(of_width(1536), layer + "lora_B.weight changes [1536, 1536], as those for Wan 2.1 T2V-1.3B do, but " +
                                target + " has shape [96, 96]");
  EXPECT_CONTAINS(of_width(3072), "as those for Wan 2.2 TI2V-5B do");
  EXPECT_CONTAINS(of_width(5120), "as those for the 14B models do");
  EXPECT_CONTAINS(of_width(100), "changes [100, 100], but");
  const Lora transposed = open({{layer + "diff", at::ones({5120, 3})}});
  EXPECT_CONTAINS(misfit(transposed, target, {3, 5120}), "changes [5120, 3], but");
  const Lora image = open({{"diffusion_model.patch_embedding.diff", at::ones({96, 36, 1, 2, 2})}});
  EXPECT_CONTAINS(misfit(image, "patch_embedding.weight", {96, 16, 1, 2, 2}), "as those for I2V models do");
}

TEST_F(LoraTest, AddingToATensorOfAnotherShapeIsRefused) {
  const Lora lora = open({{layer + "diff_b", at::ones({1})}});  // would be broadcast
  EXPECT_CONTAINS(environment_error([&] { added(lora, "blocks.0.self_attn.q.bias", {4}); }), "another network");
}

// --- golden files

/// The changes of a golden file computed in double from its tensors, by their official names.
at::Tensor in_double(const Checkpoint& file, const std::string& stored_layer, at::Tensor weight, double strength) {
  const auto read = [&](const std::string& part) { return file.load(stored_layer + part, at::kDouble, at::kCPU); };
  const at::Tensor change = at::mm(read(".lora_up.weight"), read(".lora_down.weight"));
  return weight.to(at::kDouble) + strength * read(".alpha").item<double>() / 4 * change;
}

TEST(LoraGoldens, FitTheTinyExpertsAndAreUsedWhole) {
  const std::pair<Expert, const char*> experts[] = {{Expert::high, "high"}, {Expert::low, "low"}};
  for (const auto& [expert, name] : experts) {
    const Checkpoint weights(golden_model() / (std::string(name) + "_noise_model"));
    for (const std::string& form : {std::string("comfy_") + name, std::string("kohya_") + name, std::string("peft")}) {
      const Lora lora({golden_folder() / "variants/lora" / (form + ".safetensors"), 1}, expert);
      EXPECT_TRUE(lora.unused().empty()) << form;
      for (const std::string& changed : lora.targets()) {
        ASSERT_TRUE(weights.has(changed)) << form << ": " << changed;
        lora.check_shape(changed, weights.entry(changed).shape);
      }
    }
  }
}

TEST(LoraGoldens, AreMergedAsInDouble) {
  const Checkpoint weights(golden_model() / "high_noise_model");
  const Path file = golden_folder() / "variants/lora/kohya_high.safetensors";
  const Lora lora({file, 0.7}, Expert::high);
  for (const std::string part : {"self_attn.q", "cross_attn.v", "ffn.0"}) {
    const at::Tensor weight = weights.load("blocks.1." + part + ".weight", at::kFloat, at::kCPU);
    std::string underscored = part;
    std::replace(underscored.begin(), underscored.end(), '.', '_');
    const at::Tensor expected = in_double(Checkpoint(file), "lora_unet_blocks_1_" + underscored, weight, 0.7);
    EXPECT_GT(relative_distance(weight, expected), 1e-2) << "the LoRA changes nothing";
    lora.add_to("blocks.1." + part + ".weight", weight);
    expect_close(part + " with kohya_high", weight, expected, 1e-7);
  }
}

}  // namespace
}  // namespace wf
