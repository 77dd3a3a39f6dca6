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
#include "pipeline/weights/model_folder.hpp"
#include "tests/launcher/program.hpp"

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
  const ModelFolder golden = find_model(golden_model_folder());
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
  EXPECT_EQ(shapes_of(expert_tensors(size)), shapes_of(golden.high_expert));
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
    return identity(find_model(folder / name));
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
  const ModelFolder stored = find_model(folder / "stored"), described = find_model(folder / "described");
  EXPECT_NE(identity(stored), identity(described));
  for (const auto part :
       {&ModelFolder::high_expert, &ModelFolder::low_expert, &ModelFolder::text_encoder, &ModelFolder::vae}) {
    const Checkpoint file(stored.*part), drawn(described.*part);
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
  const ModelFolder model = find_model(folder / "big");
  EXPECT_EQ(Checkpoint(model.high_expert).bytes(), 57'153'966'336u);
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
  const std::string id = identity(find_model(made));
  EXPECT_EQ(identity(find_model(random_model_folder("tiny"))), id);
  std::filesystem::current_path(before);
  EXPECT_EQ(made, "models/random-tiny");
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
    EXPECT_EQ(Json::parse(line).at("ids"), one.at("ids")) << one.at("text");
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
  EXPECT_NE(model.out.find(identity(find_model(golden_model_folder()))), std::string::npos) << model.out;
}

}  // namespace
}  // namespace wf
