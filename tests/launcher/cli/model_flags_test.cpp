// tests/launcher/cli/model_flags_test.cpp: the flags for a model's parts and LoRAs: how they are written, and what
// wins.
#include "launcher/cli/model_flags.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "launcher/options/model_choice.hpp"
#include "launcher/options/shared_settings.hpp"
#include "tests/launcher/program.hpp"
#include "tests/text.hpp"

namespace wf {
namespace {

using Json = nlohmann::json;

/// What the flag makes of a value.
ModelSource set(const std::string& name, const std::string& value) {
  ModelSource model;
  for (const Flag& flag : model_flags(model))
    if (flag.names == name) flag.set(value);
  return model;
}

std::string refusal(const std::function<void()>& refused) {
  try {
    refused();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::input);
    return error.what();
  }
  return "nothing was refused";
}

TEST(LoraFlag, TakesWhatFollowsTheLastEqualsSignForAStrengthIfItIsANumber) {
  const auto lora = [](const std::string& value) { return set("--lora", value).loras.at(0); };
  EXPECT_EQ(lora("a.safetensors"), (LoraSource{"a.safetensors", "a.safetensors", 1, 1}));
  EXPECT_EQ(lora("a.safetensors=0.8"), (LoraSource{"a.safetensors", "a.safetensors", 0.8, 0.8}));
  EXPECT_EQ(lora("a.safetensors=-1e-1").high_strength, -0.1);
  EXPECT_EQ(lora("rank=16.safetensors"), (LoraSource{"rank=16.safetensors", "rank=16.safetensors", 1, 1}));
  EXPECT_EQ(lora("rank=16.safetensors=2"), (LoraSource{"rank=16.safetensors", "rank=16.safetensors", 2, 2}));
  EXPECT_EQ(lora("a=").high, "a=");
  EXPECT_EQ(lora("a=-").high, "a=-");
  EXPECT_EQ(lora("a=nan").high, "a=nan");
}

TEST(LoraFlag, RefusesAStrengthOutOfRangeAndAnEmptyPath) {
  EXPECT_EQ(refusal([] { set("--lora", "a=100.5"); }), "strength must be a number from -100 to 100, got 100.5");
  EXPECT_EQ(refusal([] { set("--lora-low", "a=1e999"); }), "strength must be a number from -100 to 100, got '1e999'");
  for (const char* name : {"--lora", "--lora-high", "--model", "--vae-model"})
    EXPECT_EQ(refusal([&] { set(name, ""); }), "the path is empty") << name;
  EXPECT_EQ(refusal([] { set("--lora", "=1"); }), "the path is empty");
}

TEST(LoraFlag, OfOneExpertLeavesTheOtherAlone) {
  EXPECT_EQ(set("--lora-high", "a=0.5").loras, (std::vector<LoraSource>{{"a", "", 0.5, 1}}));
  EXPECT_EQ(set("--lora-low", "a=0.5").loras, (std::vector<LoraSource>{{"", "a", 1, 0.5}}));
}

TEST(ChosenModel, FlagsReplacePartsAndModelAndLorasEachAsAWhole) {
  const ModelSource list{.from = "/list", .vae = "/list-vae", .loras = {{"/a", "/a"}}};
  EXPECT_EQ(chosen_model({}, list), list);
  EXPECT_EQ(chosen_model({.high = "/h"}, list),
            (ModelSource{.from = "/list", .high = "/h", .vae = "/list-vae", .loras = list.loras}));
  EXPECT_EQ(chosen_model({.vae = "/v"}, list), (ModelSource{.from = "/list", .vae = "/v", .loras = list.loras}));
  EXPECT_EQ(chosen_model({.from = "/flag"}, list), (ModelSource{.from = "/flag", .loras = list.loras}))
      << "--model takes the place of the list's model with its parts";
  EXPECT_EQ(chosen_model({.loras = {{"/b", ""}}}, list),
            (ModelSource{.from = "/list", .vae = "/list-vae", .loras = {{"/b", ""}}}))
      << "LoRAs of flags take the place of all of the list's";
}

TEST(ChosenModel, RefusesAPartOfAModelByTheFlagsThatAreMissing) {
  EXPECT_EQ(refusal([] { chosen_model({.high = "/h", .vae = "/v"}, {}); }),
            "parts of a model are named, but not all: give also --low-model, --text-model, or --model, the folder of a "
            "whole model");
}

TEST(SharedSettings, RanksThatWereStartedWithOtherPartsAreFound) {
  RunOptions own, other;
  EXPECT_EQ(first_difference(shared_settings(own), shared_settings(other)), "");
  other.model.vae = "/v";
  EXPECT_EQ(first_difference(shared_settings(own), shared_settings(other)),
            "--vae-model not given, and rank 0 with --vae-model /v");
  own.model = other.model;
  own.model.loras = {{"/a", "/a", 0.5, 0.5}};
  EXPECT_EQ(first_difference(shared_settings(own), shared_settings(other)),
            "LoRA flags lora /a=0.5, and rank 0 with LoRA flags not given");
  own.model.loras.clear();
  own.weights = WeightForm::fp8;
  EXPECT_EQ(first_difference(shared_settings(own), shared_settings(other)),
            "--weights fp8, and rank 0 with --weights auto");
}

Json model_of_dry_run(const Path& folder, std::vector<std::string> flags) {
  flags.insert(flags.begin(), {"render", "list.yaml", "--dry-run", "--json"});
  const ProgramResult outcome = run(folder, flags);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  return json_lines_of(outcome.out).back().at("run").at("model");
}

TEST(DryRun, ShowsTheModelOfListAndFlags) {
  const TempFolder folder;
  write_file(folder / "list.yaml", "model: {from: m, vae: v}\nloras: [{file: a, strength: 0.5}]\n" + small_list(1));
  EXPECT_EQ(model_of_dry_run(folder.path(), {}), Json::parse(R"({"from": "m", "vae": "v",
                            "loras": [{"high": "a", "low": "a", "strength": {"high": 0.5, "low": 0.5}}]})"));
  EXPECT_EQ(model_of_dry_run(folder.path(), {"--lora", "b", "--lora=c=2", "--lora-low", "d", "--tokenizer", "k"}),
            Json::parse(R"({"from": "m", "vae": "v", "tokenizer": "k",
                            "loras": [{"high": "b", "low": "b", "strength": {"high": 1, "low": 1}},
                                      {"high": "c", "low": "c", "strength": {"high": 2, "low": 2}},
                                      {"low": "d", "strength": {"low": 1}}]})"))
      << "a flag may be given again, and takes one value each time";
}

TEST(DryRun, ShowsAModelThatIsNotUtf8AsText) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(1));
  const ProgramResult outcome =
      run(folder.path(), {"render", "list.yaml", "--dry-run", "--model", "m", "--vae-model", "v\xff"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(contains(outcome.out, "m, vae v\xff\n")) << outcome.out;
}

TEST(Render, RefusesAPartOfAModelWithoutTheOthers) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(1));
  const ProgramResult outcome = run(folder.path(), {"render", "list.yaml", "--high-model", "h.safetensors"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_TRUE(contains(outcome.err, "--text-model")) << outcome.err;
}

TEST(Render, NamesALoraThatIsNotThereInsteadOfTheModel) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(1));
  const ProgramResult outcome =
      run(folder.path(), {"render", "list.yaml", "--model", golden_model_folder(), "--lora", "nowhere.safetensors"});
  EXPECT_EQ(outcome.code, 3);
  EXPECT_TRUE(contains(outcome.err, "not there:\n  " + (folder / "nowhere.safetensors").string() + "\n"))
      << outcome.err;
  EXPECT_FALSE(contains(outcome.err, "huggingface-cli")) << "the model itself is whole";
}

}  // namespace
}  // namespace wf
