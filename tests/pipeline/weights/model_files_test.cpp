// tests/pipeline/weights/model_files_test.cpp: finding, identifying and configuring a model folder.
#include "pipeline/weights/model_files.hpp"

#include <gtest/gtest.h>

#include <set>

#include "pipeline/weights/dit_config.hpp"
#include "pipeline/weights/random_manifest.hpp"
#include "tests/pipeline/weights/error_message.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

using made::environment_error;
using made::input_error;
using test::TempFolder;

const Path tiny = Path(WF_TEST_DATA) / "golden" / "tiny";

/// A copy of the golden checkpoint that a test may damage.
struct TinyCopy {
  TinyCopy() { std::filesystem::copy(tiny, root, std::filesystem::copy_options::recursive); }
  TempFolder folder;
  Path root = folder.path() / "model";
};

void flip_byte(const Path& file, std::uint64_t place) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(static_cast<std::streamoff>(place));
  const int byte = stream.get();
  stream.seekp(static_cast<std::streamoff>(place));
  stream.put(static_cast<char>(byte ^ 1));
}

TEST(ModelFiles, ThePublishedLayoutIsFound) {
  const ModelFiles model = find_model({tiny});
  EXPECT_EQ(model.high.weights, tiny / "high_noise_model");
  EXPECT_EQ(model.low.weights, tiny / "low_noise_model");
  EXPECT_EQ(model.text_encoder, tiny / "models_t5_umt5-xxl-enc-bf16.pth");
  EXPECT_EQ(model.vae, tiny / "Wan2.1_VAE.pth");
  EXPECT_EQ(model.tokenizer, tiny / "google/umt5-xxl/tokenizer.json");
}

TEST(ModelFiles, ASafetensorsRepackIsFound) {
  const TinyCopy copy;
  std::filesystem::rename(copy.root / "Wan2.1_VAE.pth", copy.root / "Wan2.1_VAE.safetensors");
  EXPECT_EQ(find_model({copy.root}).vae, copy.root / "Wan2.1_VAE.safetensors");
}

/// A manifest of one random tensor.
std::string description(std::uint64_t seed) {
  return to_json({.seed = seed, .part = "x", .tensors = {{"w", {2}, 0.0, 1.0}}});
}

TEST(ModelFiles, DescribedWeightsAreFoundAndChangeTheIdentityWithTheirSeed) {
  const TinyCopy copy;
  const Path expert = copy.root / "low_noise_model";
  const std::string config = read_file(expert / "config.json");
  std::filesystem::remove_all(expert);
  make_folder(expert);
  write_file(expert / "config.json", config);
  write_file(expert / "m.random.json", description(1));
  std::filesystem::remove(copy.root / "models_t5_umt5-xxl-enc-bf16.pth");
  write_file(copy.root / "models_t5_umt5-xxl-enc-bf16.random.json", description(1));
  const ModelFiles model = find_model({copy.root});
  EXPECT_EQ(model.low.weights, expert);
  EXPECT_EQ(model.text_encoder, copy.root / "models_t5_umt5-xxl-enc-bf16.random.json");
  EXPECT_EQ(model.vae, copy.root / "Wan2.1_VAE.pth");
  const std::string id = identity(model);
  write_file(expert / "m.random.json", description(2));
  EXPECT_NE(identity(model), id);
}

TEST(ModelFiles, EverythingThatIsMissingIsListedAtOnceWithWhereToGetIt) {
  const TinyCopy copy;
  std::filesystem::remove_all(copy.root / "low_noise_model");
  std::filesystem::remove(copy.root / "high_noise_model/diffusion_pytorch_model-00002-of-00003.safetensors");
  std::filesystem::remove(copy.root / "Wan2.1_VAE.pth");
  for (const char* tokenizer : {"tokenizer.json", "spiece.model"})
    std::filesystem::remove(copy.root / "google/umt5-xxl" / tokenizer);
  const std::string message = environment_error([&] { find_model({copy.root}); });
  for (const char* part : {"low_noise_model/config.json", "low_noise_model/*.safetensors",
                           "high_noise_model/diffusion_pytorch_model-00002-of-00003",
                           "Wan2.1_VAE.pth (or Wan2.1_VAE.safetensors)", "google/umt5-xxl/tokenizer.json"})
    EXPECT_CONTAINS(message, "\n  " + (copy.root / part).string());
  EXPECT_EQ(message.find("high_noise_model/config.json"), std::string::npos) << "this part is present";
  EXPECT_CONTAINS(message, "Wan-AI/Wan2.2-T2V-A14B");
}

TEST(ModelFiles, PointersOfGitLfsAreListedAtOnceWithTheCure) {
  const std::string pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
  const TinyCopy copy;
  const std::string index = copy.root / "low_noise_model/diffusion_pytorch_model.safetensors.index.json";
  for (const char* const file : {"high_noise_model/diffusion_pytorch_model-00002-of-00003.safetensors",
                                 "models_t5_umt5-xxl-enc-bf16.pth", "google/umt5-xxl/tokenizer.json"})
    write_file(copy.root / file, pointer);
  const std::string message = input_error([&] { find_model({copy.root}); });
  EXPECT_CONTAINS(
      message, "\n  " + (copy.root / "high_noise_model/diffusion_pytorch_model-00002-of-00003.safetensors").string());
  EXPECT_CONTAINS(message, "\n  " + (copy.root / "google/umt5-xxl/tokenizer.json").string());
  EXPECT_CONTAINS(message, "git -C " + copy.root.string() + " lfs pull");
  EXPECT_EQ(message.find("Wan2.1_VAE"), std::string::npos) << "this file is there";
  write_file(index, pointer);
  EXPECT_CONTAINS(input_error([&] { find_model({copy.root}); }), index + ": is a Git LFS pointer");
}

TEST(ModelFiles, APointerOfGitLfsIsFetchedInTheRepositoryThatItIsIn) {
  const TinyCopy copy;
  const TempFolder elsewhere;
  write_file(elsewhere / "vae.pth", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
  const std::string message = input_error([&] { find_model({.from = copy.root, .vae = elsewhere / "vae.pth"}); });
  EXPECT_CONTAINS(message, "git -C " + elsewhere.path().string() + " lfs pull");
}

TEST(ModelFiles, APointerOfGitLfsIsNoBrokenConfig) {
  const TinyCopy copy;
  const Path config = copy.root / "high_noise_model/config.json";
  write_file(config, "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
  EXPECT_CONTAINS(input_error([&] { read_dit_config(config); }), config.string() + ": is a Git LFS pointer");
}

const Path diffusers = Path(WF_TEST_DATA) / "golden" / "tiny-diffusers";
const Path single = Path(WF_TEST_DATA) / "golden" / "variants" / "single";

TEST(ModelFiles, TheDiffusersLayoutIsFound) {
  const ModelFiles model = find_model({diffusers});
  EXPECT_EQ(model.high.weights, diffusers / "transformer");
  EXPECT_EQ(model.high.config, diffusers / "transformer/config.json");
  EXPECT_EQ(model.low.weights, diffusers / "transformer_2");
  EXPECT_EQ(model.text_encoder, diffusers / "text_encoder");
  EXPECT_EQ(model.vae, diffusers / "vae");
  EXPECT_EQ(model.tokenizer, diffusers / "tokenizer/tokenizer.json");
}

TEST(ModelFiles, APartReplacesThatOfTheFolder) {
  const ModelFiles model =
      find_model({.from = tiny, .high = single / "high_fp16.safetensors", .vae = diffusers / "vae"});
  EXPECT_EQ(model.high.weights, single / "high_fp16.safetensors");
  EXPECT_EQ(model.high.config, tiny / "high_noise_model/config.json") << "the sizes of the expert that it replaces";
  EXPECT_EQ(model.low.weights, tiny / "low_noise_model");
  EXPECT_EQ(model.vae, diffusers / "vae");
}

TEST(ModelFiles, PartsAloneAreAModel) {
  const ModelFiles model = find_model({.high = single / "high_fp16.safetensors",
                                       .low = single / "low_fp16.safetensors",
                                       .text = single / "umt5_fp8_scaled.safetensors",
                                       .vae = tiny / "Wan2.1_VAE.pth"});
  EXPECT_TRUE(model.high.config.empty());
  EXPECT_EQ(model.tokenizer, model.text_encoder) << "which holds a spiece.model";
}

TEST(ModelFiles, ATextEncoderWithoutATokenizerNeedsOne) {
  ModelSource source{.high = single / "high_fp16.safetensors",
                     .low = single / "low_fp16.safetensors",
                     .text = tiny / "models_t5_umt5-xxl-enc-bf16.pth",
                     .vae = tiny / "Wan2.1_VAE.pth"};
  EXPECT_CONTAINS(environment_error([&] { find_model(source); }), "tokenizer: the text encoder's file holds none");
  source.tokenizer = tiny / "google/umt5-xxl";
  EXPECT_EQ(find_model(source).tokenizer, tiny / "google/umt5-xxl/tokenizer.json");
  source.tokenizer = diffusers / "tokenizer/spiece.model";
  EXPECT_EQ(find_model(source).tokenizer, source.tokenizer);
}

TEST(ModelFiles, PartsThatAreMissingAreListedTogether) {
  const std::string message =
      environment_error([] { find_model({.high = "no/high.safetensors", .vae = tiny / "Wan2.1_VAE.pth"}); });
  for (const char* part : {"no/high.safetensors", "low: neither the part nor a folder", "text: neither the part"})
    EXPECT_CONTAINS(message, part);
}

TEST(ModelFiles, ADownloadThatHasNotFinishedIsNamed) {
  const TinyCopy copy;
  const Path vae = copy.root / "Wan2.1_VAE.pth", low = copy.root / "low_noise_model/config.json";
  std::filesystem::rename(vae, copy.root / "Wan2.1_VAE.pth.incomplete");
  std::filesystem::remove(low);
  std::filesystem::create_symlink("../blobs/0123", low);
  const std::string message = environment_error([&] { find_model({copy.root}); });
  EXPECT_CONTAINS(message, "(Wan2.1_VAE.pth.incomplete is there: the download has not finished)");
  EXPECT_CONTAINS(message, "(a link to ../blobs/0123, which is not there: the download has not finished)");
}

TEST(ModelFiles, OneFileForBothExpertsAndSwappedNamesAreDoubted) {
  const Path high = single / "high_fp16.safetensors", low = single / "low_fp16.safetensors";
  EXPECT_TRUE(doubts(find_model({.from = tiny, .high = high, .low = low})).empty());
  const auto same = doubts(find_model({.from = tiny, .high = high, .low = high}));
  ASSERT_EQ(same.size(), 1u);
  EXPECT_CONTAINS(same.front(), "both experts take this one expert");
  const auto swapped = doubts(find_model({.from = tiny, .high = low, .low = high}));
  ASSERT_EQ(swapped.size(), 1u);
  EXPECT_CONTAINS(swapped.front(), "swapped");
}

TEST(Identity, ChangesWithALoraAndItsStrength) {
  const Path lora = single.parent_path() / "lora/comfy_high.safetensors";
  const std::string plain = identity(find_model({tiny}));
  const std::string with = identity(find_model({.from = tiny, .loras = {{.high = lora}}}));
  const std::string weaker = identity(find_model({.from = tiny, .loras = {{.high = lora, .high_strength = 0.5}}}));
  const std::string other = identity(find_model({.from = tiny, .loras = {{.low = lora}}}));
  EXPECT_EQ((std::set{plain, with, weaker, other}.size()), 4u);
}

TEST(Identity, ChangesWithTheConfigBesideALora) {
  const TempFolder folder;
  const Path lora = folder / "adapter_model.safetensors";
  std::filesystem::copy_file(single.parent_path() / "lora/kohya_high.safetensors", lora);
  const ModelSource source{.from = tiny, .loras = {{.high = lora}}};
  const std::string without = identity(find_model(source));
  write_file(folder / "adapter_config.json", R"({"lora_alpha": 3})");
  const std::string with = identity(find_model(source));
  EXPECT_NE(with, without) << "alpha is a part of what is merged";
  write_file(folder / "adapter_config.json", R"({"lora_alpha": 4})");
  EXPECT_NE(identity(find_model(source)), with);
  EXPECT_NO_THROW(identity(find_model({.from = tiny, .loras = {{.high = folder.path()}}}))) << "PEFT's folder";
}

TEST(Identity, IsTheSameForEveryPath) {
  const TinyCopy copy;
  const std::string id = identity(find_model({tiny}));
  EXPECT_EQ(id.size(), 64u);
  EXPECT_EQ(identity(find_model({copy.root})), id);
}

TEST(Identity, ChangesWithAnyByteOfASmallFile) {
  const std::string id = identity(find_model({tiny}));
  for (const char* file : {"high_noise_model/config.json", "low_noise_model/config.json",
                           "high_noise_model/diffusion_pytorch_model.safetensors.index.json",
                           "low_noise_model/diffusion_pytorch_model-00002-of-00003.safetensors",
                           "models_t5_umt5-xxl-enc-bf16.pth", "Wan2.1_VAE.pth", "google/umt5-xxl/tokenizer.json"}) {
    const TinyCopy copy;
    const ModelFiles model = find_model({copy.root});
    const std::size_t size_of_the_shards = read_file(copy.root / file).find("374592");  // a digit: the index stays JSON
    const bool is_index = size_of_the_shards != std::string::npos;
    flip_byte(copy.root / file, is_index ? size_of_the_shards : std::filesystem::file_size(copy.root / file) - 1);
    EXPECT_NE(identity(model), id) << file;
  }
}

TEST(Identity, ChangesWithHeaderSamplesEndAndSizeOfABigFile) {
  const TinyCopy copy;
  const ModelFiles model = find_model({copy.root});
  constexpr std::uint64_t size = 64 << 20;
  std::filesystem::resize_file(model.vae, size);
  const std::string id = identity(model);
  for (const std::uint64_t place : {std::uint64_t{0}, std::uint64_t{1'000'000}, std::uint64_t{1 << 20}, size - 1}) {
    flip_byte(model.vae, place);
    EXPECT_NE(identity(model), id) << place;
    flip_byte(model.vae, place);
  }
  EXPECT_EQ(identity(model), id);
  std::filesystem::resize_file(model.vae, size + 1);
  EXPECT_NE(identity(model), id);
}

TEST(DitConfig, IsReadFromTheGoldenCheckpoint) {
  const DitConfig config = read_dit_config(tiny / "high_noise_model/config.json");
  EXPECT_EQ(config.dim, 96);
  EXPECT_EQ(config.ffn_dim, 192);
  EXPECT_EQ(config.num_heads, 3);
  EXPECT_EQ(config.num_layers, 2);
  EXPECT_EQ(config.freq_dim, 256);
  EXPECT_EQ(config.in_dim, 16);
  EXPECT_EQ(config.out_dim, 16);
  EXPECT_EQ(config.text_len, 512);
  EXPECT_EQ(config.eps, 1e-6);
}

TEST(DitConfig, EveryBrokenOneIsRefusedWithTheReason) {
  const TempFolder folder;
  const auto refusal = [&](const std::string& content) {
    const Path file = folder.write("config.json", content);
    const std::string message = environment_error([&] { read_dit_config(file); });
    EXPECT_EQ(message.rfind(file.string() + ": ", 0), 0u) << message;
    return message;
  };
  const auto with = [](const std::string& more) {
    return R"({"dim":96,"ffn_dim":192,"num_heads":3,"num_layers":2,)" + more + "}";
  };
  EXPECT_CONTAINS(refusal(""), "is not JSON");
  EXPECT_CONTAINS(refusal("[]"), "is not a JSON object");
  EXPECT_CONTAINS(refusal(R"({"ffn_dim":192,"num_heads":3,"num_layers":2})"), "has no dim");
  EXPECT_CONTAINS(refusal(R"({"dim":96,"ffn_dim":192,"num_heads":3})"), "has no num_layers");
  EXPECT_CONTAINS(refusal(R"({"dim":-96,"ffn_dim":192,"num_heads":3,"num_layers":2})"),
                  "dim must be a whole number from 1");
  EXPECT_CONTAINS(refusal(R"({"dim":96.5,"ffn_dim":192,"num_heads":3,"num_layers":2})"),
                  "dim must be a whole number from 1");
  EXPECT_CONTAINS(refusal(R"({"dim":97,"ffn_dim":192,"num_heads":3,"num_layers":2})"),
                  "dim 97 is not divisible by num_heads 3");
  EXPECT_CONTAINS(refusal(R"({"dim":99,"ffn_dim":192,"num_heads":3,"num_layers":2})"),
                  "dim / num_heads is 33; it must be even");
  EXPECT_CONTAINS(refusal(with(R"("in_dim":0)")), "in_dim must be a whole number from 1");
  EXPECT_CONTAINS(refusal(with(R"("freq_dim":255)")), "freq_dim is 255; it must be even");
  EXPECT_CONTAINS(refusal(with(R"("eps":0)")), "eps must be a number above 0");
  EXPECT_CONTAINS(refusal(with(R"("dim":96)")), "the key \"dim\" stands twice");
  EXPECT_CONTAINS(refusal(with(R"("model_type":"i2v")")), "model_type is \"i2v\"; only text-to-video");
  EXPECT_CONTAINS(environment_error([&] { read_dit_config(folder.path() / "none.json"); }),
                  "none.json: cannot be opened");
}

}  // namespace
}  // namespace wf
