// tests/launcher/cli/model_test.cpp: the verbs make-model, tokenize and inspect, and the random models they work on.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "launcher/random_model/layout.hpp"
#include "launcher/random_model/random_model.hpp"
#include "launcher/random_model/tokenizer_json.hpp"
#include "pipeline/text/tokenizer.hpp"
#include "pipeline/weights/checkpoint.hpp"
#include "pipeline/weights/model_files.hpp"
#include "tests/launcher/program.hpp"
#include "tests/text.hpp"

namespace wf {
namespace {

using Json = nlohmann::json;

std::map<std::string, std::vector<std::int64_t>> shapes_of(const std::vector<RandomTensor>& tensors) {
  std::map<std::string, std::vector<std::int64_t>> shapes;
  for (const RandomTensor& tensor : tensors) shapes[tensor.name] = tensor.shape;
  return shapes;
}

std::map<std::string, std::vector<std::int64_t>> shapes_of(const Path& path) {
  const Checkpoint checkpoint(path);
  std::map<std::string, std::vector<std::int64_t>> shapes;
  for (const std::string& name : checkpoint.names()) shapes[name] = checkpoint.entry(name).shape;
  return shapes;
}

TEST(Layout, IsThatOfTheOfficialCheckpoint) {
  const ModelFiles golden = find_model({golden_model_folder()});
  const ModelSize size{.dim = 96,
                       .ffn = 192,
                       .heads = 3,
                       .layers = 2,
                       .text_dim = 64,
                       .text_ffn = shapes_of(golden.text_encoder).at("blocks.0.ffn.fc1.weight")[0],
                       .text_heads = 4,
                       .text_layers = 2,
                       .vocabulary = 1024,
                       .vae_dim = 8};
  EXPECT_EQ(shapes_of(expert_tensors(size)), shapes_of(golden.high.weights));
  EXPECT_EQ(shapes_of(text_encoder_tensors(size)), shapes_of(golden.text_encoder));
  EXPECT_EQ(shapes_of(vae_tensors(size)), shapes_of(golden.vae));
}

std::int64_t parameters(const std::vector<RandomTensor>& tensors) {
  std::int64_t sum = 0;
  for (const RandomTensor& tensor : tensors) sum += count(tensor);
  return sum;
}

TEST(Layout, OfA14bHasThePublishedParameterCounts) {
  EXPECT_EQ(parameters(expert_tensors(preset("a14b"))), 14'288'491'584);
  EXPECT_EQ(parameters(text_encoder_tensors(preset("a14b"))), 5'680'910'336);
  EXPECT_EQ(parameters(vae_tensors(preset("a14b"))), 126'892'531);
}

TEST(SmallTokenizer, CoversAsciiAndEncodesWordsAsOneId) {
  const Tokenizer tokenizer(small_tokenizer().text, "small");
  const auto unknown = [&](const std::string& text) {
    const std::vector<std::int64_t> ids = tokenizer.encode(text);
    return std::count(ids.begin(), ids.end(), 3);
  };
  for (char c = '!'; c <= '~'; ++c) EXPECT_EQ(unknown(std::string(1, c)), 0) << c;
  EXPECT_EQ(unknown("猫"), 1);
  EXPECT_EQ(tokenizer.encode("a red cat").size(), 4u) << "three words and </s>";
  EXPECT_EQ(tokenizer.encode("a").back(), 1);
}

TEST(MakeModel, ModelIdFollowsFromTheSeed) {
  const TempFolder folder;
  const auto made = [&](const std::string& name, std::vector<std::string> flags) {
    std::vector<std::string> arguments{"make-model", name};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    const ProgramResult outcome = run(folder.path(), arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return identity(find_model({folder / name}));
  };
  const std::string first = made("one", {"--seed", "1"});
  EXPECT_EQ(made("two", {"--seed", "1"}), first);
  EXPECT_NE(made("three", {"--seed", "2"}), first);
}

TEST(MakeModel, HonoursSizesAndShardsAndNeverOverwrites) {
  const TempFolder folder;
  const ProgramResult outcome = run(
      folder.path(), {"make-model", "wide", "--dim", "160", "--heads", "5", "--layers", "1", "--shard-megabytes", "1"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(shapes_of(folder / "wide/high_noise_model").at("patch_embedding.weight"),
            (std::vector<std::int64_t>{160, 16, 1, 2, 2}));
  EXPECT_EQ(Json::parse(std::ifstream(folder / "wide/low_noise_model/config.json")).at("num_heads"), 5);
  EXPECT_TRUE(std::filesystem::exists(folder / "wide/high_noise_model/diffusion_pytorch_model.safetensors.index.json"));
  const ProgramResult again = run(folder.path(), {"make-model", "wide"});
  EXPECT_EQ(again.code, 2) << "an existing model must not be overwritten: " << again.out;
  EXPECT_EQ(run(folder.path(), {"make-model", "odd", "--dim", "96", "--heads", "5"}).code, 2);
  EXPECT_FALSE(std::filesystem::exists(folder / "odd"));
}

TEST(MakeModel, DescribedWeightsDrawnOnACpuEqualTheStoredOnes) {
  const TempFolder folder;
  ASSERT_EQ(run(folder.path(), {"make-model", "stored"}).code, 0);
  const ProgramResult outcome = run(folder.path(), {"make-model", "described", "--random"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const ModelFiles stored = find_model({folder / "stored"}), described = find_model({folder / "described"});
  EXPECT_NE(identity(stored), identity(described));
  const auto networks = [](const ModelFiles& model) {
    return std::array{model.high.weights, model.low.weights, model.text_encoder, model.vae};
  };
  for (std::size_t i = 0; i < networks(stored).size(); ++i) {
    const Checkpoint file(networks(stored)[i]), drawn(networks(described)[i]);
    ASSERT_EQ(file.names(), drawn.names());
    EXPECT_EQ(file.bytes(), drawn.bytes());
    for (const std::string& name : file.names())
      EXPECT_TRUE(at::equal(file.load(name, at::kFloat, at::kCPU), drawn.load(name, at::kFloat, at::kCPU))) << name;
  }
}

TEST(MakeModel, ADescribedModelOfFullSizeIsSmall) {
  const TempFolder folder;
  const ProgramResult outcome = run(folder.path(), {"make-model", "big", "--preset", "a14b", "--random"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  std::uintmax_t bytes = 0;
  for (const std::string& name : files_below(folder / "big"))
    if (!std::filesystem::is_directory(folder / "big" / name))
      bytes += std::filesystem::file_size(folder / "big" / name);
  EXPECT_LT(bytes, 500'000u);
  const ModelFiles model = find_model({folder / "big"});
  EXPECT_EQ(Checkpoint(model.high.weights).bytes(), 57'153'966'336u);
  EXPECT_EQ(Checkpoint(model.text_encoder).entry("token_embedding.weight").shape[0], 256384)
      << "at least as many rows as the small tokenizer has ids";
  const ProgramResult shown = run(folder.path(), {"inspect", "big/Wan2.1_VAE.random.json"});
  EXPECT_NE(shown.out.find("194 tensors, 126892531 parameters, 507570124 bytes, random"), std::string::npos)
      << shown.out;
}

TEST(RandomModelFolder, RefusesAnUnknownSizeAndListsTheKnownOnes) {
  try {
    random_model_folder("huge");
    FAIL() << "no error was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::input);
    EXPECT_STREQ(error.what(), "no model size is called 'huge': there are tiny, small, a14b");
  }
}

TEST(RandomModelFolder, IsMadeOnceInTheCurrentFolder) {
  const TempFolder folder;
  const Path before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  const Path made = random_model_folder("tiny");
  const std::string id = identity(find_model({made}));
  EXPECT_EQ(identity(find_model({random_model_folder("tiny")})), id);
  std::filesystem::current_path(before);
  EXPECT_EQ(made, "models/random-tiny");
}

/// As the official code cuts a longer text, of which `tokenize` shows all tokens.
std::vector<int> cut_at_512(std::vector<int> ids) {
  constexpr int end_of_text = 1;
  if (ids.size() > 512) ids.resize(511), ids.push_back(end_of_text);
  return ids;
}

TEST(Tokenize, GivesTheOfficialIds) {
  const TempFolder folder;
  const Json cases = Json::parse(std::ifstream(Path(WF_TEST_DATA) / "golden/tokens.json"));
  std::string input;
  std::vector<Json> expected;
  for (const Json& one : cases) {
    input += one.at("text").dump() + "\n";
    expected.push_back(one);
  }
  const ProgramResult outcome = run(folder.path(), {"tokenize", "--model", golden_model_folder()}, {.input = input});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  std::istringstream lines(outcome.out);
  for (const Json& one : expected) {
    std::string line;
    ASSERT_TRUE(std::getline(lines, line));
    EXPECT_EQ(cut_at_512(Json::parse(line).at("ids")), one.at("ids").get<std::vector<int>>());
    EXPECT_EQ(Json::parse(line).at("cleaned"), one.at("cleaned"));
  }
}

TEST(Tokenize, NamesALineThatIsNotAJsonString) {
  const TempFolder folder;
  const ProgramResult outcome =
      run(folder.path(), {"tokenize", "--model", golden_model_folder()}, {.input = "\"a\"\nb\n"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("stdin:2:"), std::string::npos) << outcome.err;
}

TEST(Inspect, ShowsTensorsAndTheModelId) {
  const TempFolder folder;
  const ProgramResult expert = run(folder.path(), {"inspect", golden_model_folder() / "high_noise_model"});
  EXPECT_EQ(expert.code, 0) << expert.err;
  EXPECT_NE(expert.out.find("patch_embedding.weight"), std::string::npos);
  EXPECT_NE(expert.out.find("[96, 16, 1, 2, 2]"), std::string::npos);
  const ProgramResult pickle = run(folder.path(), {"inspect", golden_model_folder() / "Wan2.1_VAE.pth"});
  EXPECT_EQ(pickle.code, 0) << pickle.err;
  EXPECT_NE(pickle.out.find("194 tensors"), std::string::npos) << pickle.out;
  const ProgramResult model = run(folder.path(), {"inspect", golden_model_folder()});
  EXPECT_EQ(model.code, 0) << model.err;
  EXPECT_NE(model.out.find(identity(find_model({golden_model_folder()}))), std::string::npos) << model.out;
}

const Path variants = golden_model_folder().parent_path() / "variants";

/// What inspect prints, all on stdout.
std::string inspected(const std::vector<std::string>& arguments) {
  const TempFolder folder;
  std::vector<std::string> all{"inspect"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  const ProgramResult outcome = run(folder.path(), all);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  return outcome.out;
}

TEST(Inspect, SaysWhoseNamesAndWhichFormAFileHas) {
  const auto last_line = [](const Path& file) { return lines_of(inspected({file})).back(); };
  EXPECT_EQ(last_line(variants / "single/high_fp16.safetensors"),
            "an expert of Wan 2.2 T2V-A14B: official names after model.diffusion_model., F16");
  EXPECT_EQ(last_line(variants / "single/low_fp16.safetensors"), "an expert of Wan 2.2 T2V-A14B: official names, F16");
  EXPECT_EQ(last_line(variants / "single/low_fp8_scaled.safetensors"),
            "an expert of Wan 2.2 T2V-A14B: official names, F16, F8_E4M3 (scaled by matrix)");
  EXPECT_EQ(last_line(variants / "single/low_fp8_rows.safetensors"),
            "an expert of Wan 2.2 T2V-A14B: official names, F16, F8_E4M3 (scaled by row)");
  EXPECT_EQ(last_line(variants / "single/umt5_fp8_scaled.safetensors"),
            "the text encoder umT5: transformers names, F16, F8_E4M3 (scaled by matrix)");
  EXPECT_EQ(last_line(golden_model_folder().parent_path() / "tiny-diffusers/transformer"),
            "an expert of Wan 2.2 T2V-A14B: Diffusers names, F32");
  EXPECT_EQ(last_line(golden_model_folder() / "Wan2.1_VAE.pth"), "the VAE of Wan 2.1: official names, F32");
}

TEST(Inspect, SaysWhatALoraChanges) {
  const auto last_lines = [](const Path& file, std::size_t count) {
    const std::vector<std::string> lines = lines_of(inspected({file}));
    return std::vector<std::string>(lines.end() - static_cast<std::ptrdiff_t>(count), lines.end());
  };
  EXPECT_EQ(last_lines(variants / "lora/comfy_high.safetensors", 1)[0],
            "LoRA: 20 matrices by rank 4, alpha 3; 12 tensors by differences");
  EXPECT_EQ(last_lines(variants / "lora/kohya_low.safetensors", 1)[0], "LoRA: 10 matrices by rank 4, alpha 8");
  EXPECT_EQ(last_lines(variants / "lora/peft.safetensors", 2),
            (std::vector<std::string>{"high LoRA: 20 matrices by rank 4, no alpha",
                                      "low  LoRA: 20 matrices by rank 4, no alpha"}));
}

TEST(Inspect, SaysWhatALoraForTheLowNoiseExpertAloneChanges) {
  const TempFolder folder;
  const Path file = folder / "low_alone.safetensors";
  write_safetensors(file, {{"transformer_2.blocks.0.attn1.to_q.diff_b", at::zeros({96})},
                           {"transformer_2.blocks.0.attn1.to_q.lora_A.weight", at::zeros({4, 96})},
                           {"transformer_2.blocks.0.attn1.to_q.lora_B.weight", at::zeros({96, 4})},
                           {"text_encoder.x", at::zeros({1})}});
  const std::vector<std::string> lines = lines_of(inspected({file}));
  ASSERT_GE(lines.size(), 2u);
  EXPECT_EQ(lines[lines.size() - 2], "low  LoRA: 1 matrix by rank 4, no alpha; 1 tensor by differences");
  EXPECT_EQ(lines.back(), "not used: text_encoder.x");
}

TEST(Inspect, ShowsAModelOfPartsWithItsLoras) {
  const std::string lora = variants / "lora/comfy_high.safetensors", expert = variants / "single/high_fp16.safetensors";
  const std::vector<std::string> by_flags{"--model", golden_model_folder(), "--high-model",
                                          expert,    "--lora-high",         lora + "=0.8"};
  const std::string shown = inspected(by_flags);
  EXPECT_TRUE(contains(shown, "(" + expert + ")\n")) << shown;
  EXPECT_TRUE(contains(shown, "; strength 0.8  (" + lora + ")\n")) << shown;
  ModelSource source{.from = golden_model_folder(), .high = expert, .loras = {{lora, "", 0.8}}};
  EXPECT_TRUE(contains(shown, identity(find_model(source)))) << shown;
  source.loras[0].high_strength = 0.7;
  EXPECT_FALSE(contains(shown, identity(find_model(source)))) << "the strength is a part of the identity";
}

TEST(Inspect, RefusesAModelThatIsNamedTwiceOrNotAtAll) {
  const TempFolder folder;
  EXPECT_EQ(run(folder.path(), {"inspect"}).code, 2);
  EXPECT_EQ(run(folder.path(), {"inspect", golden_model_folder(), "--model", golden_model_folder()}).code, 2);
}

TEST(Tokenize, ReadsTheTokenizerOfEveryFormOfAModel) {
  const TempFolder folder;
  const Path diffusers = golden_model_folder().parent_path() / "tiny-diffusers";
  const auto ids = [&](const std::vector<std::string>& flags) {
    std::vector<std::string> arguments{"tokenize"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    const ProgramResult outcome = run(folder.path(), arguments, {.input = "\"A red kite\"\n"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.out;
  };
  const std::string expected = ids({"--model", golden_model_folder()});
  EXPECT_EQ(ids({"--model", diffusers}), expected);
  EXPECT_EQ(ids({"--tokenizer", diffusers / "tokenizer"}), expected);
  EXPECT_EQ(ids({"--tokenizer", diffusers / "tokenizer/spiece.model"}), expected);
  EXPECT_EQ(ids({"--text-model", variants / "single/umt5_fp8_scaled.safetensors"}), expected);
}

}  // namespace
}  // namespace wf
