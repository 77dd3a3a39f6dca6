// tests/pipeline/model/umt5_test.cpp: the text encoder against the official one, its errors, and its memory.
#include "pipeline/model/umt5.hpp"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "tests/golden.hpp"
#include "tests/pipeline/model/peak_bytes.hpp"
#include "tests/pipeline/model/sine_fill.hpp"

namespace wf {
namespace {

constexpr int kPrompts = 5;

std::vector<std::int64_t> golden_ids(int prompt) {
  std::ifstream file(golden_folder() / "tokens.json");
  return nlohmann::json::parse(file).at(static_cast<std::size_t>(prompt)).at("ids").get<std::vector<std::int64_t>>();
}

at::Tensor golden_text(int prompt, const std::string& precision) {
  return Golden("text.safetensors")[std::to_string(prompt) + "." + precision];
}

Umt5Weights golden_weights(Precision precision) {
  return load_umt5({Network::text_encoder, golden_model() / "models_t5_umt5-xxl-enc-bf16.pth"}, precision,
                   test::device());
}

Shapes small_shapes() {
  constexpr std::int64_t dim = 64, ffn = 128, heads = 4;
  Shapes shapes{{"token_embedding.weight", {100, dim}}, {"norm.weight", {dim}}};
  for (const std::string block : {"blocks.0.", "blocks.1."}) {
    for (const char* norm : {"norm1", "norm2"}) shapes[block + norm + ".weight"] = {dim};
    for (const char* linear : {"q", "k", "v", "o"}) shapes[block + "attn." + linear + ".weight"] = {dim, dim};
    for (const char* linear : {"gate.0", "fc1"}) shapes[block + "ffn." + linear + ".weight"] = {ffn, dim};
    shapes[block + "ffn.fc2.weight"] = {dim, ffn};
    shapes[block + "pos_embedding.embedding.weight"] = {32, heads};
  }
  return shapes;
}

std::string load_error(const std::map<std::string, at::Tensor>& tensors) {
  const TemporaryCheckpoint checkpoint(tensors);
  try {
    load_umt5({Network::text_encoder, checkpoint.file()}, Precision::reference, at::kCPU);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::environment);
    EXPECT_NE(std::string(error.what()).find(checkpoint.file().string()), std::string::npos) << error.what();
    return error.what();
  }
  return "";
}

TEST(Umt5, EqualsTheOfficialEncoderInF32) {
  const c10::InferenceMode inference;
  const Umt5Weights weights = golden_weights(Precision::reference);
  for (int prompt = 0; prompt < kPrompts; ++prompt)
    expect_close("prompt " + std::to_string(prompt), umt5_encode(weights, golden_ids(prompt)),
                 golden_text(prompt, "f32"), test::network_tolerance);
}

TEST(Umt5, InBf16IsAsNearToF32AsTheOfficialEncoder) {
  const c10::InferenceMode inference;
  const Umt5Weights weights = golden_weights(Precision::exact);
  for (int prompt = 0; prompt < kPrompts; ++prompt) {
    const at::Tensor ours = umt5_encode(weights, golden_ids(prompt)), wanted = golden_text(prompt, "f32");
    EXPECT_EQ(ours.scalar_type(), at::kBFloat16);
    const double official = relative_distance(golden_text(prompt, "bf16"), wanted);
    expect_close("prompt " + std::to_string(prompt), ours, wanted, 1.2 * official);
  }
}

TEST(Umt5, EqualsTheOfficialEncoderOnFormulaWeights) {
  const c10::InferenceMode inference;
  const TemporaryCheckpoint checkpoint(sine_fill(small_shapes()));
  const Umt5Weights weights =
      load_umt5({Network::text_encoder, checkpoint.file()}, Precision::reference, test::device());
  expect_sample(umt5_encode(weights, {5, 6, 7, 8, 9, 10, 1}), {0.340948,
                                                               399.105112,
                                                               {{0, -0.875803},
                                                                {1, -1.380164},
                                                                {2, -1.444976},
                                                                {3, -0.754904},
                                                                {149, 0.236531},
                                                                {224, 0.853765},
                                                                {446, -0.798216},
                                                                {447, 0.336886}}});
}

TEST(Umt5, NamesTheTensorThatIsMissingOrWrongOrUnknown) {
  auto tensors = sine_fill(small_shapes());
  tensors.erase("blocks.0.ffn.fc2.weight");
  EXPECT_NE(load_error(tensors).find("blocks.0.ffn.fc2.weight"), std::string::npos);

  tensors = sine_fill(small_shapes());
  tensors["blocks.1.attn.k.weight"] = at::zeros({64, 63});
  EXPECT_NE(load_error(tensors).find("blocks.1.attn.k.weight"), std::string::npos);

  tensors = sine_fill(small_shapes());
  tensors["blocks.1.attn.k.bias"] = at::zeros({64});
  EXPECT_NE(load_error(tensors).find("blocks.1.attn.k.bias"), std::string::npos);

  tensors = sine_fill(small_shapes());
  tensors["blocks.0.pos_embedding.embedding.weight"] = at::zeros({32, 5});
  EXPECT_NE(load_error(tensors).find("5 heads"), std::string::npos);
}

TEST(Umt5, RefusesATokenOutsideOfTheVocabulary) {
  const c10::InferenceMode inference;
  const Umt5Weights weights = golden_weights(Precision::reference);
  EXPECT_NO_THROW(umt5_encode(weights, {1023, 1}));
  EXPECT_THROW(umt5_encode(weights, {1024, 1}), Error);
  EXPECT_THROW(umt5_encode(weights, {-1}), Error);
}

TEST(Umt5OnCpu, TakesTheMemoryPredictedFromShapesAlone) {
  const c10::InferenceMode inference;
  const NetworkWeights files(Network::text_encoder, golden_model() / "models_t5_umt5-xxl-enc-bf16.pth");
  for (const Precision precision : {Precision::reference, Precision::exact})
    for (const std::int64_t tokens : {1, 50, 400}) {
      const std::int64_t used = peak_bytes([&] {
        const Umt5Weights weights = load_umt5(files, precision, at::kCPU);
        umt5_encode(weights, std::vector<std::int64_t>(static_cast<std::size_t>(tokens), 7));
      });
      const auto predicted =
          static_cast<std::int64_t>(umt5_bytes_needed(load_umt5(files, precision, at::kMeta), tokens));
      std::printf("  %3d tokens: %8.3f MB used, %8.3f predicted\n", static_cast<int>(tokens),
                  1e-6 * static_cast<double>(used), 1e-6 * static_cast<double>(predicted));
      EXPECT_LE(used, predicted + predicted / 20 + 65536);  // oneDNN packs weights
      EXPECT_GE(used, predicted * 3 / 4);
    }
}

}  // namespace
}  // namespace wf
