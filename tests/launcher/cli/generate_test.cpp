// tests/launcher/cli/generate_test.cpp: each flag of the official script is an alias, mapped, noted or refused.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "pipeline/video/video_writer.hpp"
#include "tests/launcher/program.hpp"

namespace wf {
namespace {

using Json = nlohmann::json;

std::vector<std::string> generate(std::vector<std::string> flags) {
  std::vector<std::string> arguments{"generate", "--prompt", "A red kite", "--dry-run", "--json"};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  return arguments;
}

/// The two lines of a dry run: the clip and the run.
struct Resolved {
  ProgramResult outcome;
  Json clip, run;
};

Resolved resolve(const TempFolder& folder, const std::vector<std::string>& flags) {
  Resolved resolved{.outcome = run(folder.path(), generate(flags)), .clip = {}, .run = {}};
  const std::string& out = resolved.outcome.out;
  if (resolved.outcome.code != 0) return resolved;
  resolved.clip = Json::parse(out.substr(0, out.find('\n')));
  resolved.run = Json::parse(out.substr(out.find('\n') + 1)).at("run");
  return resolved;
}

TEST(Generate, WithoutAModelItRendersAClipThatTheShapesModelKnows) {
  const TempFolder folder;
  const ProgramResult outcome = run(folder.path(), {"generate", "--dry-run", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json job = Json::parse(outcome.out.substr(0, outcome.out.find('\n'))).at("job");
  EXPECT_NE(job.at("prompt").get<std::string>().find("star"), std::string::npos);
  EXPECT_EQ(job.at("width"), 160);
  EXPECT_EQ(job.at("height"), 96);
  EXPECT_EQ(job.at("frames"), 17);
  EXPECT_EQ(job.at("steps"), 20);
}

TEST(Generate, WithAModelItHasTheOfficialDefaults) {
  const TempFolder folder;
  const Resolved r = resolve(folder, {"--ckpt_dir", "Wan2.2-T2V-A14B"});
  ASSERT_EQ(r.outcome.code, 0) << r.outcome.err;
  const Json job = r.clip.at("job");
  EXPECT_EQ(job.at("width"), 1280);
  EXPECT_EQ(job.at("height"), 720);
  EXPECT_EQ(job.at("frames"), 81);
  EXPECT_EQ(job.at("steps"), 40);
  EXPECT_EQ(job.at("shift"), 12.0);
  EXPECT_TRUE(files_below(folder.path()).empty()) << "a dry run wrote something";
}

TEST(Generate, OfficialFlagsAreHonoured) {
  const TempFolder folder;
  const Resolved r = resolve(folder, {"--task",
                                      "t2v-A14B",
                                      "--size",
                                      "480*832",
                                      "--frame_num=17",
                                      "--ckpt_dir",
                                      "some/model",
                                      "--base_seed",
                                      "7",
                                      "--sample_solver",
                                      "dpm++",
                                      "--sample_steps",
                                      "12",
                                      "--sample_shift=5",
                                      "--sample_guide_scale",
                                      "3.5",
                                      "--save_file",
                                      "videos/kite." + file_ending(default_codec()),
                                      "--ulysses_size",
                                      "1"});
  ASSERT_EQ(r.outcome.code, 0) << r.outcome.err;
  EXPECT_TRUE(r.outcome.err.empty()) << r.outcome.err;
  const Json job = r.clip.at("job");
  EXPECT_EQ(job.at("width"), 480);
  EXPECT_EQ(job.at("height"), 832);
  EXPECT_EQ(job.at("frames"), 17);
  EXPECT_EQ(job.at("seed"), 7);
  EXPECT_EQ(job.at("solver"), "dpm++");
  EXPECT_EQ(job.at("steps"), 12);
  EXPECT_EQ(job.at("shift"), 5.0);
  EXPECT_EQ(job.at("guidance").at("high"), 3.5);
  EXPECT_EQ(job.at("guidance").at("low"), 3.5);
  EXPECT_EQ(r.clip.at("name"), "kite");
  EXPECT_EQ(r.run.at("output"), "videos");
  EXPECT_EQ(r.run.at("model"), "some/model");
}

TEST(Generate, PresetTakesLightningAndStillTheNamesOfTheEncodersPresets) {
  const TempFolder folder;
  const Resolved lightning = resolve(folder, {"--preset", "lightning"});
  ASSERT_EQ(lightning.outcome.code, 0) << lightning.outcome.err;
  EXPECT_EQ(lightning.clip.at("job").at("steps"), 4) << "not the 20 steps of the built-in model";
  EXPECT_EQ(lightning.clip.at("job").at("solver"), "euler");
  EXPECT_EQ(lightning.run.at("encoder_preset"), "medium");
  const Resolved slow = resolve(folder, {"--preset", "slow"});
  ASSERT_EQ(slow.outcome.code, 0) << slow.outcome.err;
  EXPECT_EQ(slow.clip.at("job").at("solver"), "unipc");
  EXPECT_EQ(slow.run.at("encoder_preset"), "slow");
  EXPECT_EQ(resolve(folder, {"--encoder-preset", "slow"}).run, slow.run);
  const Resolved both = resolve(folder, {"--preset", "lightning", "--encoder-preset", "slow"});
  EXPECT_EQ(both.clip, lightning.clip);
  EXPECT_EQ(both.run, slow.run);
}

TEST(Generate, APresetThatNobodyKnowsIsRefusedWithThoseThatThereAre) {
  const TempFolder folder;
  const Resolved r = resolve(folder, {"--preset", "quick"});
  EXPECT_EQ(r.outcome.code, 2);
  for (const char* part : {"--preset", "lightning", "ultrafast", "placebo", "'quick'"})
    EXPECT_NE(r.outcome.err.find(part), std::string::npos) << part << " is not in " << r.outcome.err;
}

TEST(Generate, LightningWithGuidanceIsWarnedOf) {
  const TempFolder folder;
  const auto said = [&](const std::string& guidance) {
    return resolve(folder, {"--preset", "lightning", "--guidance", guidance}).outcome.err;
  };
  EXPECT_NE(said("3.5").find("preset lightning with a guidance above 1"), std::string::npos) << said("3.5");
  EXPECT_EQ(said("1"), "");
}

TEST(Generate, OurNamesOfTheFlagsAreHonoured) {
  const TempFolder folder;
  const Resolved r = resolve(folder, {"--size", "832x480", "--frames", "5", "--seed", "9", "--guidance", "5,2",
                                      "--negative-prompt", "fog", "--model", "m"});
  ASSERT_EQ(r.outcome.code, 0) << r.outcome.err;
  EXPECT_EQ(r.clip.at("job").at("seed"), 9);
  EXPECT_EQ(r.clip.at("job").at("guidance").at("low"), 2.0);
  EXPECT_EQ(r.clip.at("job").at("negative_prompt"), "fog");
  EXPECT_EQ(r.run.at("model"), "m");
}

TEST(Generate, OfficialFlagsAreMapped) {
  const TempFolder folder;
  const Resolved r = resolve(folder, {"--convert_model_dtype", "--use_batched_cfg", "--no-tf32", "--no-compile"});
  ASSERT_EQ(r.outcome.code, 0) << r.outcome.err;
  EXPECT_EQ(r.run.at("precision"), "exact");
  EXPECT_EQ(r.run.at("guidance_mode"), "batched");
  EXPECT_EQ(resolve(folder, {"--use_batched_cfg", "--no-batched_cfg"}).run.at("guidance_mode"), "two");
}

/// Flags of the official script, and the value of the run that they set.
struct Mapped {
  std::vector<std::string> flags;
  std::string key;
  Json value;
};

TEST(Generate, OfficialFlagsAboutMemoryAndTf32AreMapped) {
  const TempFolder folder;
  const Mapped all[] = {
      {{}, "placement", "auto"},
      {{"--offload_model", "True"}, "placement", "swap"},
      {{"--offload_model", "false"}, "placement", "resident"},
      {{"--no-offload"}, "placement", "resident"},
      {{}, "text_device", "auto"},
      {{"--t5_cpu"}, "text_device", "cpu"},
      {{}, "tf32", false},
      {{"--tf32"}, "tf32", true},
      {{"--tf32", "--no-tf32"}, "tf32", false},
      {{"--vae-precision", "tf32"}, "tf32", true},
      {{"--tf32", "--vae-precision", "exact"}, "tf32", false},
      {{}, "vae", "f32"},
      {{"--vae-precision", "bf16"}, "vae", "bf16"},
      {{"--vae-precision", "bf16", "--vae-precision", "tf32"}, "vae", "f32"},
      {{}, "cuda_graphs", "auto"},
      {{"--cuda-graphs", "off"}, "cuda_graphs", "off"},
      {{"--compile_mode", "default"}, "cuda_graphs", "auto"},
  };
  for (const Mapped& mapped : all) {
    const Resolved r = resolve(folder, mapped.flags);
    ASSERT_EQ(r.outcome.code, 0) << r.outcome.err;
    EXPECT_TRUE(r.outcome.err.empty()) << r.outcome.err;
    EXPECT_EQ(r.run.at(mapped.key), mapped.value) << testing::PrintToString(mapped.flags);
  }
}

TEST(Generate, AttentionAndNoiseAreShownAsAskedFor) {
  const TempFolder folder;
  const Resolved plain = resolve(folder, {}), asked = resolve(folder, {"--attention", "math", "--noise", "cpu"});
  ASSERT_EQ(asked.outcome.code, 0) << asked.outcome.err;
  EXPECT_EQ(plain.run.at("attention"), "auto");
  EXPECT_EQ(plain.run.at("noise"), "cpu");
  EXPECT_EQ(asked.run.at("attention"), "math");
}

/// On a CPU it is refused, and the refusal shows that it has been mapped.
TEST(Generate, CompileModeReduceOverheadAsksForCudaGraphs) {
  const TempFolder folder;
  for (const std::vector<std::string>& flags :
       {std::vector<std::string>{"--compile_mode", "reduce-overhead"}, {"--cuda-graphs", "on"}}) {
    std::vector<std::string> all = flags;
    all.insert(all.end(), {"--device", "cpu"});
    const ProgramResult outcome = run(folder.path(), generate(all));
    EXPECT_EQ(outcome.code, 3) << outcome.err;
    EXPECT_NE(outcome.err.find("--cuda-graphs on: this run computes on a CPU"), std::string::npos) << outcome.err;
  }
}

TEST(Generate, EachFlagWithoutEffectIsNotedInOneLine) {
  const TempFolder folder;
  const std::vector<std::vector<std::string>> noted{
      {"--t5_fsdp"}, {"--dit_fsdp"}, {"--compile"}, {"--prompt_extend_method", "local_qwen"}};
  std::vector<std::string> all;
  for (const auto& flags : noted) all.insert(all.end(), flags.begin(), flags.end());
  const Resolved r = resolve(folder, all);
  ASSERT_EQ(r.outcome.code, 0) << r.outcome.err;
  for (const auto& flags : noted)
    EXPECT_NE(r.outcome.err.find("note: " + flags.front() + " has no effect: "), std::string::npos)
        << flags.front() << ": " << r.outcome.err;
  EXPECT_EQ(std::count(r.outcome.err.begin(), r.outcome.err.end(), '\n'), static_cast<long>(noted.size()));
}

TEST(Generate, MemoryMayBeGivenInDecimalOrBinaryUnits) {
  const TempFolder folder;
  for (const char* size : {"48GiB", "48GB", "48", "1.5GiB"}) {
    const ProgramResult outcome = run(folder.path(), generate({"--gpu-memory", size}));
    EXPECT_EQ(outcome.code, 0) << size << ": " << outcome.err;
  }
}

TEST(Generate, UnsupportedFlagsAndValuesAreRefusedWithAReason) {
  const TempFolder folder;
  const std::vector<std::vector<std::string>> refused{
      {"--use_prompt_extend"},     {"--task", "i2v-A14B"},         {"--task=ti2v-5B"},
      {"--image", "cat.png"},      {"--audio", "a.wav"},           {"--compile_mode", "fastest"},
      {"--size", "1280*721"},      {"--frame_num", "80"},          {"--save_file", "a.gif"},
      {"--sample_solver", "heun"}, {"--offload_model", "perhaps"}, {"--gpu-memory", "48TB"},
      {"--gpu-memory", "GiB"},     {"--gpu-memory", "-1GiB"},      {"--gpu-memory", "0"},
      {"--placement", "spread"},   {"--text-device", "tpu"},       {"--attention", "flash"},
      {"--noise", "gpu"}};
  for (const auto& flags : refused) {
    const ProgramResult outcome = run(folder.path(), generate(flags));
    EXPECT_EQ(outcome.code, 2) << flags.front() << ": " << outcome.err;
    const std::string name = flags.front().substr(0, flags.front().find('='));
    EXPECT_NE(outcome.err.find(name + ":"), std::string::npos) << outcome.err;
  }
  EXPECT_TRUE(files_below(folder.path()).empty());
}

TEST(Generate, UlyssesDegreeAboveTheRanksIsRefused) {
  const TempFolder folder;
  const ProgramResult outcome = run(folder.path(), {"generate", "--model", golden_model_folder(), "--size", "32x32",
                                                    "--frames", "5", "--device", "cpu", "--ulysses_size", "2"});
  EXPECT_EQ(outcome.code, 2) << outcome.err;
  EXPECT_NE(outcome.err.find("--ranks 2"), std::string::npos) << outcome.err;
}

TEST(Generate, APromptIsTakenLiterally) {
  const TempFolder folder;
  for (const std::string prompt : {"[a, b]", "a,b", "50% \"off\"", "{x}", "猫"}) {
    const ProgramResult outcome = run(folder.path(), {"generate", "--dry-run", "--json", "--prompt", prompt});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(Json::parse(outcome.out.substr(0, outcome.out.find('\n'))).at("job").at("prompt"), prompt);
  }
}

}  // namespace
}  // namespace wf
