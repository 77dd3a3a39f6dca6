// tests/launcher/convert/convert_test.cpp: models written anew hold the same numbers, in the layouts that Diffusers and
// the official code read.
#include "launcher/convert/convert.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "base/signals.hpp"
#include "launcher/convert/network_writer.hpp"
#include "pipeline/weights/strict_json.hpp"
#include "tests/golden.hpp"
#include "tests/launcher/program.hpp"
#include "tests/pipeline/weights/error_message.hpp"

namespace wf {
namespace {

const Path diffusers_golden = golden_folder() / "tiny-diffusers";
const Path single = golden_folder() / "variants/single";

void convert(const ModelSource& source, const Path& out, const Conversion& how = {}) {
  ASSERT_TRUE(convert_model(find_model(source), out, how));
}

bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() &&
         at::equal(a.view(at::kByte), b.view(at::kByte));
}

at::Tensor stored(const Checkpoint& file, const std::string& name) { return file.load_alone(name).flatten(); }

/// Expects the same names, shapes, dtypes and bits.
void expect_same(const Path& ours, const Path& expected) {
  const Checkpoint a(ours), b(expected);
  ASSERT_EQ(a.names(), b.names()) << ours;
  for (const std::string& name : a.names()) {
    EXPECT_EQ(a.entry(name).shape, b.entry(name).shape) << name;
    EXPECT_TRUE(same_bits(stored(a, name), stored(b, name))) << ours << ": " << name;
  }
}

void expect_same_networks(const ModelFiles& ours, const ModelFiles& expected) {
  expect_same(ours.high.weights, expected.high.weights);
  expect_same(ours.low.weights, expected.low.weights);
  expect_same(ours.text_encoder, expected.text_encoder);
  expect_same(ours.vae, expected.vae);
  EXPECT_EQ(read_file(ours.tokenizer), read_file(expected.tokenizer));
}

TEST(Convert, OfficialToDiffusersAndBackKeepsEveryBit) {
  const TempFolder folder;
  convert({golden_model()}, folder / "diffusers", {.layout = Layout::diffusers});
  convert({folder / "diffusers"}, folder / "official");
  expect_same_networks(find_model({folder / "official"}), find_model({golden_model()}));
}

TEST(Convert, MakesWhatDiffusersSaved) {
  const TempFolder folder;
  convert({golden_model()}, folder / "ours", {.layout = Layout::diffusers});
  for (const char* network : {"transformer", "transformer_2", "text_encoder", "vae"}) {
    expect_same(folder / "ours" / network, diffusers_golden / network);
    EXPECT_EQ(read_strict_json(folder / "ours" / network / "config.json"),
              read_strict_json(diffusers_golden / network / "config.json"))
        << network;
  }
  for (const char* file : {"model_index.json", "scheduler/scheduler_config.json"})
    EXPECT_EQ(read_strict_json(folder / "ours" / file), read_strict_json(diffusers_golden / file)) << file;
  for (const char* file : {"tokenizer.json", "spiece.model", "tokenizer_config.json", "special_tokens_map.json"})
    EXPECT_EQ(read_file(folder / "ours/tokenizer" / file), read_file(golden_model() / "google/umt5-xxl" / file));
}

TEST(Convert, TheOfficialConfigIsKept) {
  const TempFolder folder;
  convert({diffusers_golden}, folder / "official");
  auto expected = read_strict_json(golden_model() / "high_noise_model/config.json");
  expected.erase("_diffusers_version");
  EXPECT_EQ(read_strict_json(folder / "official/high_noise_model/config.json"), expected);
}

TEST(Convert, ShardsHoldAtMostTheirSizeAndAreListedInTheIndex) {
  const TempFolder folder;
  constexpr std::uint64_t limit = 200'000;
  convert({golden_model()}, folder / "out", {.shard_bytes = limit});
  const Path expert = folder / "out/high_noise_model";
  EXPECT_EQ(files_below(expert).front(), "config.json");
  int shards = 0;
  for (const auto& file : std::filesystem::directory_iterator(expert)) {
    if (file.path().extension() != ".safetensors") continue;
    const Checkpoint checkpoint(file.path());
    EXPECT_EQ(checkpoint.metadata(), (std::map<std::string, std::string>{{"format", "pt"}}));
    EXPECT_TRUE(checkpoint.bytes() <= limit || checkpoint.names().size() == 1) << file.path();
    ++shards;
  }
  EXPECT_GT(shards, 5);
  const auto index = read_strict_json(expert / "diffusion_pytorch_model.safetensors.index.json");
  EXPECT_EQ(index["metadata"]["total_size"], Checkpoint(expert).bytes());
  expect_same(expert, golden_model() / "high_noise_model");
}

TEST(Convert, F8RoundsTheTenMatricesOfEachBlockByRowAndTheRestToBf16) {
  const TempFolder folder;
  convert({golden_model()}, folder / "f8", {.dtype = DType::f8_e4m3});
  const Checkpoint original(golden_model() / "low_noise_model"), ours(folder / "f8/low_noise_model");
  int matrices = 0;
  for (const std::string& name : original.names()) {
    const at::Tensor wide = original.load(name, at::kFloat, at::kCPU);
    if (ours.entry(name).dtype != DType::f8_e4m3) {
      EXPECT_TRUE(same_bits(stored(ours, name), wide.to(at::kBFloat16).flatten())) << name;
      EXPECT_FALSE(ours.has(name + "_scale")) << name;
      continue;
    }
    ++matrices;
    const ScaledMatrix expected = quantise_rows(wide);
    EXPECT_TRUE(same_bits(stored(ours, name), expected.weight.flatten())) << name;
    EXPECT_EQ(ours.entry(name + "_scale").shape, (std::vector<std::int64_t>{wide.size(0), 1}));
    EXPECT_TRUE(same_bits(stored(ours, name + "_scale"), expected.scale)) << name;
  }
  EXPECT_EQ(matrices, 2 * 10);
  expect_same(folder / "f8/Wan2.1_VAE.safetensors", golden_model() / "Wan2.1_VAE.pth");
  expect_same(folder / "f8/models_t5_umt5-xxl-enc-bf16.safetensors",
              golden_model() / "models_t5_umt5-xxl-enc-bf16.pth");
}

TEST(Convert, WhatIsInF8StaysInF8ThroughBothLayouts) {
  const TempFolder folder;
  convert({golden_model()}, folder / "f8", {.dtype = DType::f8_e4m3});
  convert({folder / "f8"}, folder / "diffusers", {.layout = Layout::diffusers});
  EXPECT_TRUE(Checkpoint(folder / "diffusers/transformer").has("blocks.1.ffn.net.0.proj.weight_scale"));
  convert({folder / "diffusers"}, folder / "again");
  expect_same_networks(find_model({folder / "again"}), find_model({folder / "f8"}));
}

/// The values of every weight of an expert are those of another file.
void expect_same_values(const NetworkWeights& ours, const NetworkWeights& expected) {
  ASSERT_EQ(ours.names(), expected.names());
  for (const std::string& name : ours.names()) {
    const auto load = [&](const NetworkWeights& weights) {
      return weights.load(name, at::kFloat, at::kCPU, expected.entry(name).shape);
    };
    EXPECT_TRUE(same_bits(load(ours), load(expected))) << name;
  }
}

TEST(Convert, SingleFilesOfOtherProgramsBecomeAFolderOfTheSameNumbers) {
  for (const std::string form : {"fp16", "fp8_scaled", "fp8_rows"}) {
    const TempFolder folder;
    convert({.from = golden_model(),
             .high = single / ("high_" + form + ".safetensors"),
             .low = single / ("low_" + form + ".safetensors"),
             .text = single / "umt5_fp8_scaled.safetensors"},
            folder / "out");
    const NetworkWeights ours(Network::expert, folder / "out/high_noise_model");
    const NetworkWeights file(Network::expert, single / ("high_" + form + ".safetensors"));
    expect_same_values(ours, file);
    for (const std::string& name : ours.names()) EXPECT_EQ(ours.entry(name).dtype, file.entry(name).dtype) << name;
    expect_same_values({Network::text_encoder, folder / "out/models_t5_umt5-xxl-enc-bf16.safetensors"},
                       {Network::text_encoder, single / "umt5_fp8_scaled.safetensors"});
  }
}

TEST(Convert, TheTokenizerInTheTextEncodersFileBecomesAFile) {
  const TempFolder folder;
  const ModelSource parts{.high = single / "high_fp16.safetensors",
                          .low = single / "low_fp16.safetensors",
                          .text = single / "umt5_fp8_scaled.safetensors",
                          .vae = golden_model() / "Wan2.1_VAE.pth"};
  ModelFiles files = find_model(parts);
  files.high.config = files.low.config = golden_model() / "high_noise_model/config.json";  // heads of 32, not of 128
  ASSERT_TRUE(convert_model(files, folder / "out", {}));
  EXPECT_EQ(read_file(folder / "out/google/umt5-xxl/spiece.model"),
            read_file(golden_model() / "google/umt5-xxl/spiece.model"));
}

TEST(Convert, AChosenSpieceModelIsNotReplacedByTheTokenizerJsonBesideIt) {
  const TempFolder folder;
  convert({.from = golden_model(), .tokenizer = golden_model() / "google/umt5-xxl/spiece.model"}, folder / "out");
  EXPECT_EQ(find_model({folder / "out"}).tokenizer, folder / "out/google/umt5-xxl/spiece.model");
}

TEST(Convert, LorasAreMergedOnceAndForAll) {
  const TempFolder folder;
  const Path loras = golden_folder() / "variants/lora";
  const ModelSource source{.from = golden_model(),
                           .loras = {{loras / "comfy_high.safetensors", loras / "comfy_low.safetensors"},
                                     {loras / "kohya_high.safetensors", "", 0.7}}};
  convert(source, folder / "merged");
  const ModelFiles model = find_model(source), merged = find_model({folder / "merged"});
  expect_same_values({merged.high, Expert::high}, {model.high, Expert::high});
  expect_same_values({merged.low, Expert::low}, {model.low, Expert::low});
  const NetworkWeights plain(Network::expert, golden_model() / "high_noise_model"), ours(merged.high, Expert::high);
  const std::string name = "blocks.0.self_attn.q.weight";
  EXPECT_FALSE(
      same_bits(ours.load(name, at::kFloat, at::kCPU, {96, 96}), plain.load(name, at::kFloat, at::kCPU, {96, 96})));
}

TEST(Convert, OneNetworkAloneLiesInTheFolderItself) {
  const TempFolder folder;
  const ModelFiles golden = find_model({golden_model()});
  ASSERT_TRUE(convert_expert(golden.low, Expert::low, folder / "expert", {.layout = Layout::diffusers}));
  expect_same(folder / "expert", diffusers_golden / "transformer_2");
  ASSERT_TRUE(convert_network(Network::vae, golden.vae, folder / "vae", {.layout = Layout::diffusers}));
  expect_same(folder / "vae", diffusers_golden / "vae");
  ASSERT_TRUE(convert_network(Network::text_encoder, golden.text_encoder, folder / "text", {.dtype = DType::f32}));
  EXPECT_EQ(Checkpoint(folder / "text").entry("norm.weight").dtype, DType::f32);
  EXPECT_CONTAINS(
      made::input_error([&] { convert_network(Network::vae, golden.vae, folder / "f8", {.dtype = DType::f8_e4m3}); }),
      "is the VAE of Wan 2.1; f8 is for experts");
}

/// Names in a folder that are left of a conversion.
std::vector<std::string> left_in(const TempFolder& folder) { return files_below(folder.path()); }

TEST(Convert, WhatIsThereIsNotOverwritten) {
  const TempFolder folder;
  folder.write("out/mine.txt", "mine");
  EXPECT_CONTAINS(made::input_error([&] { convert_model(find_model({golden_model()}), folder / "out", {}); }),
                  "out: is there already; give another folder or remove it");
  EXPECT_EQ(left_in(folder), (std::vector<std::string>{"out", "out/mine.txt"}));
  std::filesystem::create_directory(folder / "empty");
  convert({golden_model()}, folder / "empty");
  EXPECT_EQ(find_model({folder / "empty"}).vae, folder / "empty/Wan2.1_VAE.safetensors");
}

TEST(Convert, ADiskThatFailsLeavesNothingBehind) {
  for (const FileStep failing : {FileStep::flush, FileStep::rename}) {
    const TempFolder folder;
    inject_file_faults([&](FileStep step, const Path&) { return step == failing ? ENOSPC : 0; });
    const std::string message =
        made::error_of(Error::storage, [&] { convert_model(find_model({golden_model()}), folder / "out", {}); });
    inject_file_faults({});
    EXPECT_CONTAINS(message, "No space left on device");
    EXPECT_EQ(left_in(folder), std::vector<std::string>());
  }
}

/// Converts in a process that a signal has asked to stop. Exit code 0: it did, and left nothing behind.
[[noreturn]] void convert_after_a_signal() {
  const TempFolder folder;
  install_stop_signals();
  std::raise(SIGTERM);
  const bool complete = convert_model(find_model({golden_model()}), folder / "out", {});
  const bool clean = left_in(folder).empty();
  std::filesystem::remove_all(folder.path());
  std::exit(complete ? 1 : clean ? 0 : 2);
}

TEST(ConvertDeathTest, ASignalStopsItAndLeavesNothingBehind) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(convert_after_a_signal(), testing::ExitedWithCode(0), "");
}

TEST(Convert, ANumberThatF16CannotHoldIsRefusedByName) {
  const TempFolder folder;
  const ModelFiles golden = find_model({golden_model()});
  std::map<std::string, at::Tensor> tensors;
  const Checkpoint expert(golden.low.weights);
  for (const std::string& name : expert.names()) tensors[name] = expert.load(name, at::kFloat, at::kCPU);
  tensors.at("head.head.bias")[3] = 70'000;
  write_safetensors(folder / "expert.safetensors", tensors);
  const auto convert = [&](DType dtype) {
    return convert_expert({folder / "expert.safetensors", golden.low.config, {}}, Expert::low, folder / "out",
                          {.dtype = dtype});
  };
  EXPECT_CONTAINS(made::environment_error([&] { convert(DType::f16); }),
                  "tensor head.head.bias: has numbers that F16 cannot hold; use BF16");
  EXPECT_EQ(left_in(folder), (std::vector<std::string>{"expert.safetensors"}));
  EXPECT_TRUE(convert(DType::bf16));
}

TEST(Convert, AnIncompleteNetworkIsRefusedBeforeAnythingIsWritten) {
  const TempFolder folder;
  std::map<std::string, at::Tensor> tensors;
  const Checkpoint vae(golden_model() / "Wan2.1_VAE.pth");
  for (const std::string& name : vae.names())
    if (name != "conv2.bias") tensors[name] = vae.load(name, at::kFloat, at::kCPU);
  write_safetensors(folder / "vae.safetensors", tensors);
  EXPECT_CONTAINS(
      made::environment_error([&] { convert_network(Network::vae, folder / "vae.safetensors", folder / "out", {}); }),
      "tensor conv2.bias: is missing");
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
}

// ---- The command.

TEST(ConvertCommand, MakesAModelThatTheProgramReads) {
  const TempFolder folder;
  const std::string tiny = golden_model_folder().string();
  const ProgramResult made = run(folder.path(), {"convert", tiny, "out", "--layout", "diffusers", "--dtype", "bf16"});
  EXPECT_EQ(made.code, 0) << made.err;
  EXPECT_NE(made.out.find("transformer_2/diffusion_pytorch_model: 69 tensors"), std::string::npos) << made.out;
  EXPECT_EQ(Checkpoint(folder / "out/transformer").entry("proj_out.bias").dtype, DType::bf16);
  EXPECT_EQ(run(folder.path(), {"inspect", "out"}).code, 0);
  EXPECT_EQ(run(folder.path(), {"convert", tiny, "out"}).code, 2) << "out is there already";
}

TEST(ConvertCommand, TakesPartsByFlagsWithoutIn) {
  const TempFolder folder;
  const Path tiny = golden_model_folder();
  const ProgramResult made = run(folder.path(), {"convert", "out", "--high-model", (tiny / "high_noise_model").string(),
                                                 "--low-model", (tiny / "low_noise_model").string(), "--text-model",
                                                 (single / "umt5_fp8_scaled.safetensors").string(), "--vae-model",
                                                 (tiny / "Wan2.1_VAE.pth").string()});
  EXPECT_EQ(made.code, 0) << made.err;
  expect_same(folder / "out/high_noise_model", tiny / "high_noise_model");
}

TEST(ConvertCommand, AFullDiskIsExitCode5AndLeavesNothingBehind) {
  const TempFolder folder;
  const ProgramResult failed =
      run(folder.path(), {"convert", golden_model_folder().string(), "out"}, {.largest_file = 300'000});
  EXPECT_EQ(failed.code, 5) << failed.err;
  EXPECT_CONTAINS(failed.err, "diffusion_pytorch_model.safetensors.part: cannot be written: File too large");
  EXPECT_EQ(left_in(folder), std::vector<std::string>());
}

TEST(ConvertCommand, SaysWhatIsWrong) {
  const TempFolder folder;
  const std::string tiny = golden_model_folder().string(), expert = (single / "high_fp16.safetensors").string();
  const std::string lora = (golden_folder() / "variants/lora/peft.safetensors").string();
  const auto refusal = [&](std::vector<std::string> arguments, int code) {
    arguments.insert(arguments.begin(), "convert");
    const ProgramResult result = run(folder.path(), arguments);
    EXPECT_EQ(result.code, code) << result.err;
    return result.err;
  };
  EXPECT_CONTAINS(refusal({tiny}, 2), "OUT is missing");
  EXPECT_CONTAINS(refusal({"nowhere", "out"}, 2), "nowhere: does not exist");
  EXPECT_CONTAINS(refusal({tiny, "out", "--dtype", "int8"}, 2), "--dtype");
  EXPECT_CONTAINS(refusal({expert, "out", "--lora", lora}, 2), "is one expert; name its LoRAs by --lora-high alone");
  EXPECT_CONTAINS(refusal({lora, "out"}, 3), "is a LoRA (give it with --lora");
}

}  // namespace
}  // namespace wf
