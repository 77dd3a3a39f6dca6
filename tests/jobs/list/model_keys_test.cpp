// tests/jobs/list/model_keys_test.cpp: the keys `model` and `loras` of a list. What is wrong with them is in
// tests/jobs/broken, 80 and following.
#include <gtest/gtest.h>

#include <cmath>

#include "jobs/list/job_list.hpp"

namespace wf {
namespace {

ModelSource model_of(const std::string& yaml) { return parse_job_list(yaml + "\nprompts: [a]\n", "list.yaml").model; }

TEST(ModelKeys, AFolderIsATextOrAMapOfOne) {
  const ModelSource folder{.from = "/data/Wan2.2"};
  EXPECT_EQ(model_of("model: /data/Wan2.2"), folder);
  EXPECT_EQ(model_of("model: {from: /data/Wan2.2}"), folder);
  EXPECT_EQ(model_of("model: random:a14b"), ModelSource{.from = "random:a14b"});
  EXPECT_EQ(model_of("output: renders"), ModelSource{}) << "a list need not name a model";
}

TEST(ModelKeys, PartsStandAloneOrReplaceThoseOfAFolder) {
  EXPECT_EQ(
      model_of("model: {high: h.safetensors, low: l.safetensors, text: t.safetensors, vae: v.safetensors}"),
      (ModelSource{.high = "h.safetensors", .low = "l.safetensors", .text = "t.safetensors", .vae = "v.safetensors"}))
      << "the text encoder's file may hold the tokenizer; paths stay relative";
  EXPECT_EQ(model_of("model:\n  from: /data/Wan2.2\n  vae: v.safetensors\n  tokenizer: umt5"),
            (ModelSource{.from = "/data/Wan2.2", .vae = "v.safetensors", .tokenizer = "umt5"}));
}

TEST(ModelKeys, LorasAreForOneExpertOrBoth) {
  const ModelSource model = model_of(R"(
loras:
  - {high: h.safetensors, low: l.safetensors, strength: 0.8}
  - {file: both.safetensors}
  - {file: both.safetensors, strength: {high: -1, low: 0.25}}
  - {low: l.safetensors, strength: {low: 2}}
  - {high: h.safetensors, strength: -0})");
  const std::vector<LoraSource> expected{{"h.safetensors", "l.safetensors", 0.8, 0.8},
                                         {"both.safetensors", "both.safetensors", 1, 1},
                                         {"both.safetensors", "both.safetensors", -1, 0.25},
                                         {"", "l.safetensors", 1, 2},
                                         {"h.safetensors", "", 0, 1}};
  EXPECT_EQ(model.loras, expected);
  EXPECT_FALSE(std::signbit(model.loras.back().high_strength)) << "-0 and 0 are one strength, with one fingerprint";
  EXPECT_FALSE(names_model(model)) << "LoRAs alone leave the choice of the model to flags";
}

TEST(ModelKeys, StrengthsReachFromMinusToPlusAHundred) {
  const ModelSource model = model_of("loras: [{file: a, strength: -100}, {file: b, strength: 100}]");
  EXPECT_EQ(model.loras.at(0).low_strength, -100);
  EXPECT_EQ(model.loras.at(1).high_strength, 100);
}

}  // namespace
}  // namespace wf
