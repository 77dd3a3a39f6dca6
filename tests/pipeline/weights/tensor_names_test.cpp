// tests/pipeline/weights/tensor_names_test.cpp: the names of Diffusers, transformers and ComfyUI become the official
// ones and back, for every tensor of the golden checkpoints.
#include "pipeline/weights/tensor_names.hpp"

#include <gtest/gtest.h>

#include "pipeline/weights/expert_names.hpp"
#include "pipeline/weights/shards.hpp"
#include "tests/pipeline/weights/error_message.hpp"

namespace wf {
namespace {

using Names = std::map<std::string, std::string>;
using Shape = std::vector<std::int64_t>;

const Path golden = Path(WF_TEST_DATA) / "golden";

TensorIndex index_of(const Path& path) {
  TensorIndex index;
  for (const Path& file : find_shards(path).files) index.merge(read_tensor_index(MappedFile(file).bytes(), file));
  return index;
}

/// Tensors of one element each with these names.
TensorIndex tensors(const std::vector<std::string>& names) {
  TensorIndex index;
  for (const std::string& name : names) index[name] = {DType::f32, {1}, {1}};
  return index;
}

/// Enough of an expert for it to be recognised, with a prefix, and more tensors.
TensorIndex expert_with(const std::vector<std::string>& names, const std::string& prefix = "") {
  TensorIndex index = tensors(names);
  index[prefix + "patch_embedding.weight"] = {DType::f32, {96, 16, 1, 2, 2}, {64, 4, 4, 2, 1}};
  return index;
}

Names official_expert(const TensorIndex& index) { return official_names(Network::expert, index, "x.safetensors"); }

std::vector<std::string> keys(const TensorIndex& index) {
  std::vector<std::string> names;
  for (const auto& [name, entry] : index) names.push_back(name);
  return names;
}

/// One network of the golden model, as it was published and as Diffusers saved it.
struct Pair {
  Network network;
  const char *official, *diffusers;
};

class GoldenPair : public testing::TestWithParam<Pair> {};

TEST_P(GoldenPair, EveryTensorOfDiffusersHasItsOfficialNameAndShape) {
  const auto& [network, official, diffusers] = GetParam();
  const TensorIndex expected = index_of(golden / "tiny" / official);
  const TensorIndex stored = index_of(golden / "tiny-diffusers" / diffusers);
  const Names names = official_names(network, stored, diffusers);
  ASSERT_EQ(names.size(), expected.size());
  for (const auto& [name, entry] : expected) {
    ASSERT_TRUE(names.contains(name)) << name;
    EXPECT_EQ(stored.at(names.at(name)).shape, entry.shape) << name << " is " << names.at(name);
  }
}

TEST_P(GoldenPair, OfficialNamesStayAsTheyAre) {
  const auto& [network, official, diffusers] = GetParam();
  for (const auto& [name, stored] : official_names(network, index_of(golden / "tiny" / official), official))
    EXPECT_EQ(name, stored);
}

TEST_P(GoldenPair, DiffusersNamesAreTheInverse) {
  const auto& [network, official, diffusers] = GetParam();
  const TensorIndex expected = index_of(golden / "tiny-diffusers" / diffusers);
  const Names official_of_stored = official_names(network, expected, diffusers);
  const Names names = diffusers_names(network, keys(index_of(golden / "tiny" / official)));
  EXPECT_EQ(names, official_of_stored);
}

INSTANTIATE_TEST_SUITE_P(Golden, GoldenPair,
                         testing::Values(Pair{Network::expert, "high_noise_model", "transformer"},
                                         Pair{Network::expert, "low_noise_model", "transformer_2"},
                                         Pair{Network::text_encoder, "models_t5_umt5-xxl-enc-bf16.pth", "text_encoder"},
                                         Pair{Network::vae, "Wan2.1_VAE.pth", "vae"}));

TEST(TensorNames, SingleFilesHoldTheOfficialTensorsWithAndWithoutPrefix) {
  const TensorIndex expected = index_of(golden / "tiny" / "high_noise_model");
  for (const char* file :
       {"high_fp16", "low_fp16", "high_fp8_scaled", "low_fp8_scaled", "high_fp8_rows", "low_fp8_rows"}) {
    const TensorIndex stored = index_of(golden / "variants/single" / (std::string(file) + ".safetensors"));
    const Names names = official_names(Network::expert, stored, file);
    EXPECT_EQ(names.size(), stored.size()) << file;  // with scales and marker
    for (const auto& [name, entry] : expected) {
      ASSERT_TRUE(names.contains(name)) << file << ": " << name;
      EXPECT_EQ(stored.at(names.at(name)).shape, entry.shape) << file << ": " << name;
    }
  }
}

TEST(TensorNames, ScalesAreNamedWithTheirLayerAndTheMarkerStays) {
  const TensorIndex stored = index_of(golden / "variants/single/umt5_fp8_scaled.safetensors");
  const Names names = official_names(Network::text_encoder, stored, "umt5");
  EXPECT_EQ(names.at("blocks.1.ffn.gate.0.scale_weight"), "encoder.block.1.layer.1.DenseReluDense.wi_0.scale_weight");
  EXPECT_EQ(names.at("scaled_fp8"), "scaled_fp8");
  EXPECT_FALSE(names.contains("spiece_model"));
  EXPECT_EQ(names.size(), stored.size() - 1);
  for (const auto& [name, entry] : index_of(golden / "tiny" / "models_t5_umt5-xxl-enc-bf16.pth"))
    EXPECT_TRUE(names.contains(name)) << name;
}

TEST(TensorNames, WhateverBelongsToALayerIsRenamedWithIt) {
  for (const char* leaf :
       {"weight", "bias", "scale_weight", "weight_scale", "input_scale", "scale_input", "comfy_quant", "anything"}) {
    const std::string stored = std::string("blocks.12.attn2.to_out.0.") + leaf;
    EXPECT_EQ(official_expert(expert_with({stored})).at(std::string("blocks.12.cross_attn.o.") + leaf), stored);
  }
}

TEST(TensorNames, UsualPrefixesAreTakenOff) {
  for (const std::string prefix : {"model.diffusion_model.", "diffusion_model.", "model.", "transformer."}) {
    const Names names = official_expert(expert_with({prefix + "blocks.0.attn1.to_q.weight"}, prefix));
    EXPECT_EQ(names.at("blocks.0.self_attn.q.weight"), prefix + "blocks.0.attn1.to_q.weight");
    EXPECT_EQ(names.at("patch_embedding.weight"), prefix + "patch_embedding.weight");
  }
  const std::string block = "encoder.block.0.layer.0.SelfAttention.q.weight";
  for (const std::string prefix : {"", "text_encoders.umt5xxl.transformer.", "text_encoder."})
    EXPECT_EQ(official_names(Network::text_encoder, tensors({prefix + block}), "x").at("blocks.0.attn.q.weight"),
              prefix + block);
  EXPECT_EQ(official_names(Network::text_encoder, tensors({"encoder.blocks.0.attn.q.weight"}), "x")
                .at("blocks.0.attn.q.weight"),
            "encoder.blocks.0.attn.q.weight");
  for (const std::string prefix : {"", "vae.", "first_stage_model."})
    EXPECT_EQ(
        official_names(Network::vae, tensors({prefix + "decoder.conv_in.weight"}), "x").at("decoder.conv1.weight"),
        prefix + "decoder.conv_in.weight");
}

TEST(TensorNames, AFileOfAllNetworksServesForEach) {
  const TensorIndex merged = expert_with(
      {"text_encoders.umt5xxl.transformer.encoder.block.0.layer.0.layer_norm.weight", "vae.decoder.conv1.bias"},
      "model.diffusion_model.");
  const auto stored = [&](Network network) { return official_names(network, merged, "merged"); };
  EXPECT_EQ(stored(Network::expert),
            (Names{{"patch_embedding.weight", "model.diffusion_model.patch_embedding.weight"}}));
  EXPECT_EQ(stored(Network::vae), (Names{{"decoder.conv1.bias", "vae.decoder.conv1.bias"}}));
  EXPECT_EQ(stored(Network::text_encoder),
            (Names{{"blocks.0.norm1.weight",
                    "text_encoders.umt5xxl.transformer.encoder.block.0.layer.0.layer_norm.weight"}}));
}

TEST(TensorNames, OfTwoCopiesOfTheTokenEmbeddingOneIsTaken) {
  const auto stored = [](const std::vector<std::string>& copies) {
    TensorIndex index = tensors(copies);
    index.merge(tensors({"encoder.block.0.layer.0.layer_norm.weight"}));
    return official_names(Network::text_encoder, index, "x").at("token_embedding.weight");
  };
  EXPECT_EQ(stored({"shared.weight", "encoder.embed_tokens.weight"}), "shared.weight");
  EXPECT_EQ(stored({"encoder.embed_tokens.weight"}), "encoder.embed_tokens.weight");
}

TEST(TensorNames, TwoTensorsOfOneOfficialNameAreRefused) {
  const auto refusal = [](const std::vector<std::string>& names) {
    return made::environment_error([&] { official_expert(expert_with(names)); });
  };
  EXPECT_EQ(refusal({"blocks.0.attn1.to_q.weight", "blocks.0.self_attn.q.weight"}),
            "x.safetensors: tensors blocks.0.attn1.to_q.weight and blocks.0.self_attn.q.weight are both "
            "blocks.0.self_attn.q.weight");
  EXPECT_EQ(refusal({"model.head.head.bias", "head.head.bias"}),
            "x.safetensors: tensors head.head.bias and model.head.head.bias are both head.head.bias");
}

TEST(TensorNames, ARuleHoldsForWholeWordsAndNumbers) {
  for (const char* kept : {"proj_outer.weight", "blocks.x.attn1.to_q.weight", "blocks..attn1.to_q.weight",
                           "blocks.0.attn1.to_qkv.weight", "blocks.0.attn1", "anything", "", "."})
    EXPECT_EQ(official_expert_name(kept), kept);
  EXPECT_EQ(official_expert_name("blocks.123.norm2.bias"), "blocks.123.norm3.bias");
  EXPECT_EQ(official_expert_name("scale_shift_table"), "head.modulation");
  EXPECT_EQ(official_expert_name("blocks.7.attn1.to_q"), "blocks.7.self_attn.q");
  EXPECT_EQ(diffusers_expert_name("blocks.7.self_attn.q"), "blocks.7.attn1.to_q");
}

TEST(TensorNames, LayersOfTheDecoderAreCountedThroughBlocksOfAnyLength) {
  const TensorIndex stored =
      tensors({"decoder.up_blocks.0.resnets.0.conv1.bias", "decoder.up_blocks.0.upsamplers.0.resample.1.bias",
               "decoder.up_blocks.1.resnets.0.conv1.bias", "decoder.up_blocks.1.resnets.1.conv1.bias",
               "decoder.up_blocks.1.resnets.2.conv1.bias", "decoder.up_blocks.1.resnets.3.conv1.bias",
               "decoder.up_blocks.1.upsamplers.0.time_conv.bias", "decoder.up_blocks.1.upsamplers.0.resample.1.bias",
               "decoder.up_blocks.2.resnets.0.norm2.gamma"});
  const Names names = official_names(Network::vae, stored, "x");
  EXPECT_EQ(names.at("decoder.upsamples.1.resample.1.bias"), "decoder.up_blocks.0.upsamplers.0.resample.1.bias");
  EXPECT_EQ(names.at("decoder.upsamples.5.residual.2.bias"), "decoder.up_blocks.1.resnets.3.conv1.bias");
  EXPECT_EQ(names.at("decoder.upsamples.6.time_conv.bias"), "decoder.up_blocks.1.upsamplers.0.time_conv.bias");
  EXPECT_EQ(names.at("decoder.upsamples.7.residual.3.gamma"), "decoder.up_blocks.2.resnets.0.norm2.gamma");
  std::vector<std::string> official;
  for (const auto& [name, diffusers] : names) official.push_back(name);
  EXPECT_EQ(diffusers_names(Network::vae, official), names);
}

TEST(TensorNames, AMissingLayerOrBlockOfTheDecoderDoesNotMoveTheOthersUp) {
  const Names layer = official_names(Network::vae, tensors({"decoder.up_blocks.0.resnets.2.conv1.bias"}), "x");
  EXPECT_TRUE(layer.contains("decoder.upsamples.2.residual.2.bias"));
  const std::string behind = "decoder.up_blocks.1.resnets.0.conv1.bias";
  EXPECT_EQ(official_names(Network::vae, tensors({behind}), "x"), (Names{{behind, behind}}));
  const std::string huge = "decoder.up_blocks.0.resnets.99999999999999999999.conv1.bias";
  EXPECT_EQ(official_names(Network::vae, tensors({huge}), "x").size(), 1u);
}

}  // namespace
}  // namespace wf
