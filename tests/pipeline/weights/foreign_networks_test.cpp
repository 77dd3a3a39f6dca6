// tests/pipeline/weights/foreign_networks_test.cpp: networks of another kind, weights in forms that are not read, and
// files that are no checkpoints are refused as what they are.
#include <gtest/gtest.h>

#include "pipeline/weights/foreign_files.hpp"
#include "pipeline/weights/shards.hpp"
#include "pipeline/weights/tensor_names.hpp"
#include "tests/pipeline/weights/error_message.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

/// A tensor that tells what its network is.
struct Tensor {
  const char* name;
  DType dtype = DType::f16;
  std::vector<std::int64_t> shape = {1};
};

struct Foreign {
  Network wanted;
  std::vector<Tensor> tensors;
  const char* expected;  ///< A part of the error message.
};

TensorIndex index_of(const std::vector<Tensor>& tensors) {
  TensorIndex index;
  for (const auto& [name, dtype, shape] : tensors) index[name] = {dtype, shape, {}};
  return index;
}

std::string refusal(Network wanted, const std::vector<Tensor>& tensors) {
  return made::environment_error([&] { official_names(wanted, index_of(tensors), "x.safetensors"); });
}

Tensor patches(std::int64_t width, std::int64_t channels) {
  return {"patch_embedding.weight", DType::f16, {width, channels, 1, 2, 2}};
}

class ForeignNetwork : public testing::TestWithParam<Foreign> {};

TEST_P(ForeignNetwork, IsRefusedAsWhatItIs) {
  const auto& [wanted, tensors, expected] = GetParam();
  const std::string message = refusal(wanted, tensors);
  EXPECT_EQ(message.rfind("x.safetensors: is ", 0), 0u) << message;
  EXPECT_CONTAINS(message, expected);
  EXPECT_CONTAINS(message, std::string(", not ") + to_string(wanted));
  EXPECT_CONTAINS(message, "; use ");
}

const Foreign no_experts[] = {
    {Network::expert, {patches(5120, 16), {"vace_blocks.0.after_proj.bias"}}, "is Wan VACE, "},
    {Network::expert, {patches(5120, 16), {"model.diffusion_model.vace_patch_embedding.bias"}}, "is Wan VACE, "},
    {Network::expert,
     {patches(5120, 36), {"pose_patch_embedding.bias"}, {"img_emb.proj.0.bias"}},
     "is Wan 2.2 Animate, "},
    {Network::expert, {patches(5120, 16), {"casual_audio_encoder.weights"}}, "is Wan 2.2 S2V"},
    {Network::expert, {patches(5120, 16), {"audio_injector.injector.0.k.weight"}}, "is Wan 2.2 S2V"},
    {Network::expert, {patches(5120, 36), {"blocks.0.cross_attn.k_img.weight"}}, "is Wan 2.1 I2V"},
    {Network::expert, {patches(5120, 36), {"blocks.0.attn2.add_k_proj.weight"}}, "is Wan 2.1 I2V"},
    {Network::expert, {patches(5120, 36)}, "is an I2V or InP expert of Wan 2.2"},
    {Network::expert, {patches(3072, 48)}, "is Wan 2.2 TI2V-5B, "},
    {Network::expert, {patches(5120, 52), {"ref_conv.weight"}}, "is a Fun Control variant"},
    {Network::expert, {patches(5120, 36), {"control_adapter.conv.weight"}}, "is a Fun Camera variant"},
    {Network::expert, {patches(5120, 100)}, "its patch_embedding takes 100 channels, the latents of T2V-A14B have 16"},
    {Network::expert,
     {patches(1536, 16), {"blocks.29.ffn.0.weight", DType::f16, {8960, 1536}}},
     "is Wan 2.1 T2V-1.3B, "},
    {Network::expert, {{"diffusion_model.blocks.0.self_attn.q.lora_down.weight"}}, "is a LoRA (give it with --lora"},
    {Network::expert, {{"blocks.0.norm3.diff"}}, "is a LoRA"},
    {Network::expert, {{"double_blocks.0.img_attn.proj.weight"}}, "Flux or HunyuanVideo"},
    {Network::expert, {{"model.diffusion_model.joint_blocks.0.x"}}, "Stable Diffusion 3"},
    {Network::expert, {{"patchify_proj.weight"}, {"transformer_blocks.0.x"}}, "LTX-Video"},
    {Network::expert, {{"shared.weight"}, {"encoder.block.0.x"}}, "is a text encoder of the T5 kind, "},
    {Network::expert, {{"decoder.conv1.weight"}}, "is a VAE, "},
    {Network::expert, {{"vae.decoder.conv1.weight"}}, "it has neither patch_embedding nor blocks.0.self_attn"},
    {Network::expert, {}, "it has neither patch_embedding nor blocks.0.self_attn"},
};
INSTANTIATE_TEST_SUITE_P(Experts, ForeignNetwork, testing::ValuesIn(no_experts));

const Foreign no_text_encoders[] = {
    {Network::text_encoder,
     {{"encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"},
      {"encoder.block.1.layer.0.layer_norm.weight"}},
     "is T5 v1.1 or mT5, "},
    {Network::text_encoder, {{"text_model.embeddings.position_ids"}}, "CLIP"},
    {Network::text_encoder, {{"model.layers.0.x"}}, "is a language model, "},
    {Network::text_encoder, {patches(5120, 16)}, "is an expert or another DiT, "},
    {Network::text_encoder, {{"decoder.conv1.weight"}}, "is a VAE, "},
    {Network::text_encoder, {{"x"}}, "it has neither encoder.block.0 nor blocks.0.attn"},
};
INSTANTIATE_TEST_SUITE_P(TextEncoders, ForeignNetwork, testing::ValuesIn(no_text_encoders));

const Foreign no_vaes[] = {
    {Network::vae, {{"conv2.weight", DType::f32, {48, 48, 1, 1, 1}}}, "is the VAE of Wan 2.2 TI2V-5B, "},
    {Network::vae, {{"post_quant_conv.weight", DType::f32, {48, 48, 1, 1, 1}}}, "is the VAE of Wan 2.2 TI2V-5B, "},
    {Network::vae, {{"encoder.downsamples.0.downsamples.0.residual.0.gamma"}}, "is the VAE of Wan 2.2 TI2V-5B, "},
    {Network::vae, {{"decoder.1.weight"}}, "is a tiny VAE for previews (TAE), "},
    {Network::vae, {{"first_stage_model.decoder.up.0.block.0.conv1.weight"}}, "a VAE for images"},
    {Network::vae, {{"decoder.up_blocks.0.resnets.0.norm1.weight"}}, "a VAE for images"},
    {Network::vae, {patches(5120, 16)}, "is an expert or another DiT, "},
    {Network::vae, {{"shared.weight"}, {"encoder.block.0.x"}}, "is a text encoder of the T5 kind, "},
    {Network::vae, {{"x"}}, "it has neither encoder nor decoder"},
};
INSTANTIATE_TEST_SUITE_P(Vaes, ForeignNetwork, testing::ValuesIn(no_vaes));

TEST(ForeignNetworks, TheNameOfTheTensorThatShowsItIsTheStoredOne) {
  EXPECT_CONTAINS(refusal(Network::expert, {{"model.diffusion_model.vace_blocks.3.x"}}),
                  "it has a tensor model.diffusion_model.vace_blocks.3.x");
}

TEST(ForeignNetworks, AnExpertOfAnotherSizeOrWithATensorMissingPasses) {
  const auto accept = [](const std::vector<Tensor>& tensors) {
    return official_names(Network::expert, index_of(tensors), "x").size();
  };
  EXPECT_EQ(accept({patches(96, 16)}), 1u);
  EXPECT_EQ(accept({{"blocks.0.self_attn.q.weight"}}), 1u);
  EXPECT_EQ(accept({patches(1536, 16), {"blocks.29.ffn.0.weight", DType::f16, {8960, 1536}}, {"blocks.30.x"}}), 3u);
}

class ForeignForm : public testing::TestWithParam<std::pair<Tensor, const char*>> {};

TEST_P(ForeignForm, IsRefusedByName) {
  const auto& [tensor, form] = GetParam();
  const std::string message = refusal(Network::expert, {patches(5120, 16), tensor});
  EXPECT_CONTAINS(message, "x.safetensors: its weights are quantised as " + std::string(form));
  EXPECT_CONTAINS(message, "by tensor " + std::string(tensor.name));
  EXPECT_CONTAINS(message, "use the fp16, bf16 or fp8_scaled");
}

INSTANTIATE_TEST_SUITE_P(
    Table, ForeignForm,
    testing::Values(std::pair{Tensor{"blocks.0.ffn.0.weight_scale_2", DType::f32}, "NVFP4"},
                    std::pair{Tensor{"blocks.0.ffn.0.weight_scale", DType::f8_e4m3}, "NVFP4"},
                    std::pair{Tensor{"blocks.0.ffn.0.weight_scale", DType::u8}, "MXFP8 or MXFP4"},
                    std::pair{Tensor{"blocks.0.ffn.0.weight", DType::u8}, "4 bits"},
                    std::pair{Tensor{"blocks.0.ffn.0.weight", DType::i8}, "whole numbers (I8)"},
                    std::pair{Tensor{"blocks.0.ffn.0.weight.quant_map", DType::f32}, "bitsandbytes"},
                    std::pair{Tensor{"blocks.0.ffn.0.SCB", DType::f32}, "bitsandbytes"},
                    std::pair{Tensor{"blocks.0.ffn.0.qweight", DType::i32}, "GPTQ, AWQ or SVDQuant"},
                    std::pair{Tensor{"blocks.0.encoded_exponent", DType::u8}, "DFloat11"},
                    std::pair{Tensor{"blocks.0.ffn.0.weight._data", DType::i8}, "quanto"}));

TEST(ForeignForms, ScalesMarkersAndTheirTextsAreRead) {
  EXPECT_NO_THROW(official_names(Network::expert,
                                 index_of({patches(96, 16),
                                           {"blocks.0.ffn.0.weight", DType::f8_e4m3},
                                           {"blocks.0.ffn.0.weight_scale", DType::f32},
                                           {"blocks.0.ffn.0.comfy_quant", DType::u8},
                                           {"scaled_fp8", DType::f8_e4m3}}),
                                 "x"));
}

TEST(ForeignFiles, AreNamedAsWhatTheyAre) {
  const auto message = [](const std::string& content) {
    return made::environment_error([&] { read_tensor_index(std::as_bytes(std::span(content)), "x.safetensors"); });
  };
  EXPECT_EQ(message(""), "x.safetensors: is empty; a download that did not finish? Fetch the file again");
  EXPECT_CONTAINS(message("GGUF\3" + std::string(40, '\0')),
                  "x.safetensors: is a GGUF file, which is not read; use the ");
  EXPECT_CONTAINS(message("<!DOCTYPE html><html>"), "is a web page, not a model");
  EXPECT_CONTAINS(message("\r\n <html>"), "is a web page, not a model");
  EXPECT_CONTAINS(message("Invalid username or password.\n"),
                  "is text, not a model; it begins \"Invalid username or password.\"");
}

TEST(ForeignFiles, AnUnfinishedDownloadIsNamedSo) {
  const test::TempFolder folder;
  const auto message = [&](const std::string& name) {
    return made::environment_error([&] { find_shards(folder.write(name, "x")); });
  };
  for (const char* ending : {".incomplete", ".part", ".crdownload", ".aria2"})
    EXPECT_CONTAINS(message("model.safetensors" + std::string(ending)),
                    "is a download that did not finish, by its ending " + std::string(ending));
  EXPECT_CONTAINS(message("model.safetensors"), "model.safetensors.aria2 lies beside it; start aria2c again");
  folder.write("shards/a.safetensors", "x");
  folder.write("shards/a.safetensors.aria2", "x");
  folder.write("shards/a.safetensors.index.json", R"({"weight_map": {"t": "a.safetensors"}})");
  EXPECT_CONTAINS(made::environment_error([&] { find_shards(folder / "shards"); }),
                  "a.safetensors.aria2 lies beside it");
}

}  // namespace
}  // namespace wf
