// tests/jobs/list/list_test.cpp: valid lists, and the jobs that each way to write a prompt gives.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdio>
#include <ctime>
#include <fstream>
#include <limits>

#include "base/error.hpp"
#include "jobs/list/job_list.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

std::vector<Job> jobs_of(const std::string& yaml, const JobSettings& flags = {}) {
  return parse_job_list(yaml, "list.yaml", flags).jobs;
}

TEST(List, ReadsEveryKeyOfTheManual) {
  const JobList list = parse_job_list(R"(
model: models/shapes
output: renders
defaults: {size: 832x480, frames: 81, fps: 16, steps: 40, shift: 12.0, guidance: {high: 4.0, low: 3.0}, solver: unipc,
           seed: 42, samples: 1, priority: 0}
prompts:
  - A red kite over a green field
  - {prompt: Rain on a window, name: rain, seed: 7, negative_prompt: "", priority: 10, size: 64*96, frames: 5, fps: 24, steps: 8,
     shift: 5, guidance: 6.5, solver: dpm++}
)",
                                      "list.yaml");
  EXPECT_EQ(list.model, ModelSource{.from = "models/shapes"});
  EXPECT_EQ(list.output, Path("renders"));
  ASSERT_EQ(list.jobs.size(), 2u);
  const Job& kite = list.jobs[0];
  EXPECT_EQ(kite.name, "0001-a-red-kite-over-a-green-s42");
  EXPECT_EQ(kite.prompt, "A red kite over a green field");
  EXPECT_EQ(kite.negative_prompt, default_negative_prompt);
  EXPECT_EQ(kite.seed, 42);
  EXPECT_EQ(kite.width, 832);
  EXPECT_EQ(kite.height, 480);
  EXPECT_EQ(kite.guidance, (Guidance{4.0, 3.0}));
  const Job& rain = list.jobs[1];
  EXPECT_EQ(rain.name, "rain");
  EXPECT_EQ(rain.index, 2);
  EXPECT_EQ(rain.negative_prompt, "");
  EXPECT_EQ(rain.seed, 7);
  EXPECT_EQ(rain.priority, 10);
  EXPECT_EQ(rain.width, 64);
  EXPECT_EQ(rain.height, 96);
  EXPECT_EQ(rain.frames, 5);
  EXPECT_EQ(rain.fps, 24);
  EXPECT_EQ(rain.steps, 8);
  EXPECT_EQ(rain.shift, 5);
  EXPECT_EQ(rain.guidance, (Guidance{6.5, 6.5}));
  EXPECT_EQ(rain.solver, SolverKind::dpmpp);
}

TEST(List, BuiltInValuesAreTheOfficialOnes) {
  const Job job = jobs_of("prompts: [A red kite]").at(0);
  EXPECT_EQ(job.seed, 42);
  EXPECT_EQ(job.steps, 40);
  EXPECT_EQ(job.shift, 12.0);
  EXPECT_EQ(job.frames, 81);
  EXPECT_EQ(job.fps, 16);
}

TEST(List, FlagsWinOverThePromptWhichWinsOverDefaults) {
  const std::string yaml = "defaults: {steps: 10, fps: 10, frames: 9}\nprompts:\n  - {prompt: a, steps: 20, fps: 20}\n";
  JobSettings flags;
  flags.steps = 30;
  const Job job = jobs_of(yaml, flags).at(0);
  EXPECT_EQ(job.steps, 30);
  EXPECT_EQ(job.fps, 20);
  EXPECT_EQ(job.frames, 9);
  EXPECT_EQ(job.width, 832);
}

TEST(List, StepCacheAndGuidanceIntervalAreKeysOfDefaultsAndOfPrompts) {
  const std::vector<Job> jobs = jobs_of(
      "defaults: {step_cache: magcache, guidance_interval: \"3,30\"}\n"
      "prompts:\n  - a\n"
      "  - {prompt: b, step_cache: \"magcache:0.03,1,0.2\", guidance_interval: \"0.3,0.9\"}\n"
      "  - {prompt: c, step_cache: off, guidance_interval: off}\n"
      "  - prompt: d\n    step_cache: magcache:0.03,1,0.2\n    guidance_interval: 5, 9\n"
      "  - {prompt: e, step_cache: off, preset: lightning}\n");
  ASSERT_EQ(jobs.size(), 5u);
  EXPECT_EQ(jobs[0].step_cache, StepCache{});
  EXPECT_EQ(jobs[0].guidance_interval, (GuidanceInterval{3, 30, false}));
  EXPECT_EQ(jobs[1].step_cache->rule, (StepCacheRule{0.03, 1, 0.2}));
  EXPECT_EQ(jobs[1].guidance_interval, (GuidanceInterval{0.3, 0.9, true}));
  EXPECT_FALSE(jobs[2].step_cache || jobs[2].guidance_interval);
  EXPECT_EQ(jobs[3].step_cache->rule, (StepCacheRule{0.03, 1, 0.2}));
  EXPECT_EQ(jobs[3].guidance_interval, (GuidanceInterval{5, 9, false}));
  EXPECT_FALSE(jobs[4].step_cache);
}

TEST(List, AStepCachesFileIsFoundFromTheListsFolder) {
  const test::TempFolder folder;
  make_folder(folder / "lists");
  write_file(folder / "lists/cache.json",
             R"({"E": 0.05, "K": 3, "R": 0.25, "conditional": [1, 0.9], "unconditional": [1, 0.8]})");
  write_file(folder / "lists/list.yaml", "prompts: [{prompt: a, step_cache: cache.json}]\n");
  const Job job = read_job_list(folder / "lists/list.yaml").jobs.at(0);
  EXPECT_EQ(job.step_cache->file, (folder / "lists/cache.json").string());
  EXPECT_EQ(job.step_cache->rule, (StepCacheRule{0.05, 3, 0.25}));
  EXPECT_EQ(job.step_cache->table->unconditional, (std::vector<double>{1, 0.8}));
}

TEST(List, GuidanceMayBeNone) {
  const std::vector<Job> jobs = jobs_of(R"(
defaults: {guidance: none, solver: euler}
prompts:
  - a
  - {prompt: b, guidance: {high: 3.5, low: none}}
  - {prompt: c, guidance: "none,2"}
)");
  EXPECT_EQ(jobs.at(0).guidance, (Guidance{{}, {}}));
  EXPECT_EQ(jobs.at(0).solver, SolverKind::euler);
  EXPECT_EQ(jobs.at(1).guidance, (Guidance{3.5, {}}));
  EXPECT_EQ(jobs.at(2).guidance, (Guidance{{}, 2}));
}

TEST(List, APresetStandsBelowTheValuesOfItsOwnLevelAndAboveLowerLevels) {
  const std::string yaml = R"(
defaults: {preset: lightning, shift: 6}
prompts:
  - a
  - {prompt: b, steps: 8}
  - {prompt: c, preset: lightning}
)";
  std::vector<Job> jobs = jobs_of(yaml);
  EXPECT_EQ(jobs.at(0).steps, 4);
  EXPECT_EQ(jobs.at(0).shift, 6) << "beside the preset";
  EXPECT_FALSE(jobs.at(0).guidance.any());
  EXPECT_EQ(jobs.at(1).steps, 8) << "above the preset";
  EXPECT_EQ(jobs.at(1).solver, SolverKind::euler);
  EXPECT_EQ(jobs.at(2).shift, 5) << "the preset is above the defaults";
  JobSettings flags;
  flags.preset = Preset::lightning, flags.solver = SolverKind::dpmpp;
  jobs = jobs_of(yaml, flags);
  EXPECT_EQ(jobs.at(1).steps, 4) << "the flag's preset is above the prompt";
  EXPECT_EQ(jobs.at(1).solver, SolverKind::dpmpp) << "beside the preset";
}

TEST(List, LightningWithGuidanceIsWarnedOfOnce) {
  const auto warnings = [](const std::string& prompts) {
    return parse_job_list("defaults: {preset: lightning}\nprompts:\n" + prompts, "list.yaml").warnings;
  };
  EXPECT_TRUE(warnings("  - a\n  - {prompt: b, guidance: 1}\n").empty());
  const std::vector<std::string> said = warnings("  - a\n  - {prompt: b, guidance: 4}\n  - {prompt: c, guidance: 3}\n");
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0].find("list.yaml:4:14: preset lightning with a guidance above 1"), 0u) << said[0];
}

TEST(List, AllWaysToWriteAPromptGiveTheSamePrompt) {
  const std::string ways[] = {"prompts: [A kite]",
                              "prompts:\n- A kite",
                              "prompts:\n  - 'A kite'\n",
                              "{\"prompts\": [\"A kite\"]}",
                              "prompts:\r\n  - A kite\r\n",
                              "\xef\xbb\xbfprompts:\n  - A kite",
                              "%YAML 1.2\n---\nprompts:\n  - A kite\n...\n",
                              "prompts:\n  - A\n    kite\n",
                              "prompts:\n  - prompt: A kite # a comment\n",
                              "prompts:\n  - prompt: >-\n      A\n      kite\n",
                              "prompts: &p\n  - &k A kite\n",
                              "prompts:\n  - \"A \\u006bite\"\n",
                              "prompts:\n\n  -   A kite   \n\n"};
  for (const std::string& yaml : ways) {
    const std::vector<Job> jobs = jobs_of(yaml);
    ASSERT_EQ(jobs.size(), 1u) << yaml;
    EXPECT_EQ(jobs[0].prompt, "A kite") << yaml;
  }
}

TEST(List, TextsStayTextsWhateverYamlTakesThemFor) {
  const std::vector<Job> jobs = jobs_of("prompts: [42, true, 'null', 2026-11-22, 0x1F, \"it's \\\"so\\\"\", 一只猫]");
  const std::vector<std::string> expected{"42", "true", "null", "2026-11-22", "0x1F", "it's \"so\"", "一只猫"};
  ASSERT_EQ(jobs.size(), expected.size());
  for (std::size_t i = 0; i < jobs.size(); ++i) EXPECT_EQ(jobs[i].prompt, expected[i]);
}

TEST(List, AliasesStandForTheirValue) {
  const std::vector<Job> jobs =
      jobs_of("prompts:\n  - {prompt: a, guidance: &g {high: 5, low: 2}}\n  - {prompt: b, guidance: *g}\n");
  EXPECT_EQ(jobs.at(1).guidance, (Guidance{5, 2}));
}

TEST(List, SamplesCountTheSeedUpAndShareTheIndex) {
  const std::vector<Job> jobs = jobs_of(
      "prompts:\n  - {prompt: A kite, samples: 3, seed: 9}\n  - {prompt: Rain, name: rain, samples: 2}\n  - Wind\n");
  ASSERT_EQ(jobs.size(), 6u);
  EXPECT_EQ(jobs[0].name, "0001-a-kite-s9");
  EXPECT_EQ(jobs[2].name, "0001-a-kite-s11");
  EXPECT_EQ(jobs[2].seed, 11);
  EXPECT_EQ(jobs[3].name, "rain-s42");
  EXPECT_EQ(jobs[4].name, "rain-s43");
  EXPECT_EQ(jobs[5].name, "0003-wind-s42") << "more samples of one prompt must not rename the clips of the next";
}

TEST(List, RandomSeedsWaitToBeDrawn) {
  const std::vector<Job> jobs = jobs_of(
      "defaults: {seed: random}\nprompts:\n  - {prompt: A kite, samples: 2}\n  - {prompt: b, name: 'b-{seed}'}\n  - "
      "{prompt: c, seed: 3}\n");
  ASSERT_EQ(jobs.size(), 4u);
  EXPECT_FALSE(jobs[0].seed);
  EXPECT_EQ(jobs[0].name, "0001-a-kite-s{seed}");
  EXPECT_EQ(jobs[1].name, "0001-a-kite-s{seed}");
  EXPECT_EQ(jobs[2].name, "b-{seed}");
  EXPECT_EQ(jobs[3].seed, 3);
}

TEST(List, TheLargestSeedIsAccepted) {
  EXPECT_EQ(jobs_of("prompts: [{prompt: a, seed: 9223372036854775807}]").at(0).seed,
            std::numeric_limits<std::int64_t>::max());
}

class PromptFiles : public ::testing::Test {
 protected:
  std::vector<Job> jobs_of(const std::string& file, const std::string& content, const std::string& more = "") {
    std::filesystem::create_directories(folder / "lists");
    std::ofstream(folder / ("lists/" + file), std::ios::binary) << content;
    std::ofstream(folder / "lists/list.yaml")
        << "defaults: {steps: 5, fps: 8}\nprompts:\n  - {file: " << file << more << "}\n  - The last one\n";
    return read_job_list(folder / "lists/list.yaml").jobs;
  }
  test::TempFolder folder;
};

TEST_F(PromptFiles, TextHasOnePromptPerLineWithoutCommentsAndBlanks) {
  const std::vector<Job> jobs =
      jobs_of("a.txt", "\xef\xbb\xbf# kites\r\nA red kite: the film\r\n\r\n  \"A blue kite\" # 2 \r\n\t\r\nA grey kite",
              ", steps: 7");
  ASSERT_EQ(jobs.size(), 4u);
  EXPECT_EQ(jobs[0].prompt, "A red kite: the film");
  EXPECT_EQ(jobs[1].prompt, "\"A blue kite\" # 2");
  EXPECT_EQ(jobs[2].prompt, "A grey kite");
  EXPECT_EQ(jobs[2].index, 3);
  EXPECT_EQ(jobs[2].steps, 7) << "the entry's keys apply to all its prompts";
  EXPECT_EQ(jobs[2].fps, 8);
  EXPECT_EQ(jobs[3].index, 4);
  EXPECT_EQ(jobs[3].steps, 5);
}

TEST_F(PromptFiles, JsonLinesHoldTheKeysOfAPrompt) {
  const std::vector<Job> jobs = jobs_of("a.jsonl",
                                        "{\"prompt\": \"A \\ud83d\\ude00 kite\\/\", \"seed\": 7, \"guidance\": "
                                        "{\"high\": 5, \"low\": 2.5}, \"size\": \"64x96\"}\n\n"
                                        "{\"name\":\"rain\",\"prompt\":\"Rain\",\"frames\":\"9\",\"shift\":1e1}",
                                        ", steps: 7, frames: 13");
  ASSERT_EQ(jobs.size(), 3u);
  EXPECT_EQ(jobs[0].prompt, "A \xf0\x9f\x98\x80 kite/");
  EXPECT_EQ(jobs[0].seed, 7);
  EXPECT_EQ(jobs[0].guidance, (Guidance{5, 2.5}));
  EXPECT_EQ(jobs[0].width, 64);
  EXPECT_EQ(jobs[0].frames, 13);
  EXPECT_EQ(jobs[1].name, "rain");
  EXPECT_EQ(jobs[1].frames, 9);
  EXPECT_EQ(jobs[1].shift, 10);
}

TEST_F(PromptFiles, CsvIsReadByColumnName) {
  const std::vector<Job> jobs = jobs_of(
      "a.csv",
      "seed,prompt,guidance,negative_prompt\r\n7,\"A kite, \"\"red\"\",\r\nflying\",\"5,2\",\r\n\r\n,Rain,,blur\r\n");
  ASSERT_EQ(jobs.size(), 3u);
  EXPECT_EQ(jobs[0].prompt, "A kite, \"red\",\nflying");
  EXPECT_EQ(jobs[0].seed, 7);
  EXPECT_EQ(jobs[0].guidance, (Guidance{5, 2}));
  EXPECT_EQ(jobs[0].negative_prompt, default_negative_prompt) << "an empty cell counts as absent";
  EXPECT_EQ(jobs[1].prompt, "Rain");
  EXPECT_EQ(jobs[1].seed, 42);
  EXPECT_EQ(jobs[1].negative_prompt, "blur");
}

TEST_F(PromptFiles, CsvMayHaveSemicolonsOrTabs) {
  for (const std::string text : {"prompt;guidance;seed\nA kite, red;5,2;7\n\"Rain; \"\"soft\"\"\";;\n",
                                 "prompt\tguidance\tseed\nA kite, red\t5,2\t7\n\"Rain; \"\"soft\"\"\"\t\t\n",
                                 "\"prompt\";\"guidance\";seed\r\nA kite, red;5,2;7\r\n\"Rain; \"\"soft\"\"\";;\r\n"}) {
    const std::vector<Job> jobs = jobs_of("a.csv", text);
    ASSERT_EQ(jobs.size(), 3u) << text;
    EXPECT_EQ(jobs[0].prompt, "A kite, red");
    EXPECT_EQ(jobs[0].guidance, (Guidance{5, 2}));
    EXPECT_EQ(jobs[0].seed, 7);
    EXPECT_EQ(jobs[1].prompt, "Rain; \"soft\"");
  }
}

TEST_F(PromptFiles, CsvMayNameItsDelimiterInALineBeforeTheColumns) {
  const std::vector<Job> jobs = jobs_of("a.csv", "\xef\xbb\xbfsep=;\r\nprompt;seed\r\nA kite, red;7\r\n");
  ASSERT_EQ(jobs.size(), 2u);
  EXPECT_EQ(jobs[0].prompt, "A kite, red");
  EXPECT_EQ(jobs[0].seed, 7);
}

TEST_F(PromptFiles, CsvOfOneColumnHasTextsWithSemicolons) {
  const std::vector<Job> jobs = jobs_of("a.csv", "prompt\nA kite; red\n\"Rain, soft\"\n");
  ASSERT_EQ(jobs.size(), 3u);
  EXPECT_EQ(jobs[0].prompt, "A kite; red");
  EXPECT_EQ(jobs[1].prompt, "Rain, soft");
}

TEST_F(PromptFiles, PipesAndFoldersAreNotOpened) {
  std::filesystem::create_directory(folder / "pipes");
  ASSERT_EQ(::mkfifo((folder / "pipes/a.txt").c_str(), 0600), 0);
  std::filesystem::create_directory(folder / "pipes/b.txt");
  for (const std::string name : {"a.txt", "b.txt"})
    EXPECT_THROW(parse_job_list("prompts: [{file: " + name + "}]", folder / "pipes/list.yaml"), Error) << name;
}

TEST(Examples, AreValidLists) {
  const Path examples = Path(WF_TEST_DATA).parent_path().parent_path() / "examples";
  EXPECT_EQ(read_job_list(examples / "prompts.yaml").jobs.size(), 6u);
  EXPECT_EQ(read_job_list(examples / "vbench.yaml").jobs.size(), 248u);
}

TEST(List, AHundredThousandPromptsTakeLessThanFiveSecondsOfCpu) {
  std::string yaml = "prompts:\n";
  for (int i = 0; i < 50'000; ++i) {
    yaml += "  - A red kite number " + std::to_string(i) + " over a green field, at dusk, in soft light\n";
    yaml += "  - {prompt: Rain on window " + std::to_string(i) + ", name: rain-" + std::to_string(i) + ", seed: 7}\n";
  }
  const std::clock_t begin = std::clock();
  EXPECT_EQ(jobs_of(yaml).size(), 100'000u);
  const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  std::printf("100,000 prompts: %.2f s of CPU time, %.0f %% of the limit\n", seconds, seconds / 5 * 100);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LT(seconds, 5);
#endif
}

}  // namespace
}  // namespace wf
