// tests/launcher/plan_test.cpp: where a model's parts go, and flags that contradict each other.
#include "launcher/plan.hpp"

#include <gtest/gtest.h>

#include "cluster/error.hpp"
#include "launcher/model_choice.hpp"
#include "tests/launcher/program.hpp"

namespace wf {
namespace {

const ModelParts& tiny_model() {
  static const ModelParts parts = read_model(golden_model_folder(), Precision::reference);
  return parts;
}

TEST(Plan, OnACpuTheExecutionStaysAsItIs) {
  const Execution cpu;
  RunOptions options;
  options.placement = "swap";
  options.gpu_memory = 1;  // of no GPU
  const Execution planned = plan(tiny_model(), {Job()}, cpu, options);
  EXPECT_TRUE(planned.device.is_cpu());
  EXPECT_TRUE(planned.text_device.is_cpu());
  EXPECT_EQ(planned.residency, Residency::both);
  EXPECT_TRUE(planned.keep_text_encoder);
}

TEST(Plan, ATextEncoderOnAGpuDoesNotGoWithARunOnTheCpu) {
  RunOptions options;
  options.text_device = "cuda";
  try {
    plan(tiny_model(), {Job()}, Execution(), options);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::input);
    EXPECT_NE(std::string(error.what()).find("--text-device cuda"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("--device"), std::string::npos) << error.what();
  }
}

TEST(ChosenExecution, OnACpuIsF32WithItsOwnNoise) {
  RunOptions options;
  options.device = "cpu";
  const Execution execution = chosen_execution(options);
  EXPECT_EQ(execution.precision, Precision::reference);
  EXPECT_EQ(execution.noise, NoiseSource::cpu);
  EXPECT_EQ(execution.backend, AttentionBackend::automatic);
  EXPECT_FALSE(execution.tf32);
}

TEST(ChosenExecution, TakesEveryWordOfTheFlags) {
  RunOptions options;
  options.device = "cpu", options.precision = "exact", options.guidance_mode = "batched", options.noise = "device",
  options.attention = "cudnn", options.tf32 = true;
  const Execution execution = chosen_execution(options);
  EXPECT_EQ(execution.precision, Precision::exact);
  EXPECT_EQ(execution.guidance, GuidanceMode::batched);
  EXPECT_EQ(execution.noise, NoiseSource::device);
  EXPECT_EQ(execution.backend, AttentionBackend::cudnn);
  EXPECT_TRUE(execution.tf32);
}

TEST(RecipeOf, NamesWhatReachesThePixelsAndNothingElse) {
  Execution plain;
  EXPECT_EQ(recipe_of("id", plain), (Recipe{"id", "reference"}));
  plain.backend = AttentionBackend::math, plain.residency = Residency::exchanged, plain.keep_text_encoder = false;
  EXPECT_EQ(recipe_of("id", plain), (Recipe{"id", "reference"}));
  Execution asked;
  asked.precision = Precision::exact, asked.noise = NoiseSource::device, asked.tf32 = true;
  EXPECT_EQ(recipe_of("id", asked), (Recipe{"id", "exact", true, "cpu"})) << "a CPU's draw is the CPU's";
}

}  // namespace
}  // namespace wf
