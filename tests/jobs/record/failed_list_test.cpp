// tests/jobs/record/failed_list_test.cpp: failed.yaml is a prompt list that makes the same clips, whatever stands in
// their prompts, and is there exactly as long as clips have failed.
#include "jobs/record/failed_list.hpp"

#include <gtest/gtest.h>

#include "jobs/list/job_list.hpp"
#include "jobs/output/fingerprint.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

const Recipe recipe{"model", "exact"};

Job a_job(const std::string& name, const std::string& prompt = "Rain") {
  Job job = make_job(prompt, {});
  job.name = name;
  return job;
}

ClipResult failure(const Job& job, const std::string& what = "out of memory") {
  return failed_result(ClipResult::failed, job, Error(Error::resource, what), 3, 5);
}

/// Prompts that YAML could take for something else, or would not give back.
const std::vector<std::string> hostile_prompts{
    "plain",
    "- leading dash",
    "? question",
    "#hash at the beginning",
    "a # hash inside",
    "key: value",
    "ends with a colon:",
    "\"double\" and 'single' quotes",
    "'",
    "back\\slash \\n \\",
    "two\nlines\n\nand an empty one\n",
    "tab\tand\r\nDOS line end",
    "  blanks around  ",
    "{flow: [map",
    "[1, 2]",
    "*alias &anchor !tag %directive @at `tick",
    "--- document",
    "...",
    "null",
    "~",
    "true",
    "42",
    "1e3",
    "0x1F",
    "emoji \U0001F680 \U0001F468\u200d\U0001F469\u200d\U0001F467, CJK 雨の窓, RTL \u05d0\u05d1\u202e",
    "no-break\u00a0blank, next\u0085line, \u2028 and \u2029, mark \ufeff inside",
    "\ufeffa mark at the beginning",
    "control \u009b of C1",
    std::string(9'999, 'x') + "\n",
};

std::map<std::size_t, ClipResult> hostile_clips() {
  std::map<std::size_t, ClipResult> clips;
  for (std::size_t i = 0; i < hostile_prompts.size(); ++i)
    clips[i] = failure(a_job("clip " + std::to_string(i) + " #1, it's", hostile_prompts[i]));
  return clips;
}

TEST(FailedList, GivesEveryPromptBack) {
  const auto clips = hostile_clips();
  const JobList list = parse_job_list(failed_list_text(clips, {"/m"}, "/o"), "failed.yaml");
  ASSERT_EQ(list.jobs.size(), clips.size());
  for (std::size_t i = 0; i < clips.size(); ++i) {
    EXPECT_EQ(list.jobs[i].prompt, hostile_prompts[i]);
    EXPECT_EQ(list.jobs[i].name, clips.at(i).job.name);
    EXPECT_EQ(fingerprint(list.jobs[i], recipe), fingerprint(clips.at(i).job, recipe));
  }
}

TEST(FailedList, GivesEveryValueBack) {
  Job job = a_job("all");
  job.negative_prompt = "no \"rain\"";
  job.seed = 9'223'372'036'854'775'807;
  job.width = 1280;
  job.height = 720;
  job.frames = 33;
  job.fps = 24;
  job.steps = 7;
  job.shift = 1e-2 / 3;
  job.guidance = {0.1 + 0.2, 1e-22};
  job.solver = SolverKind::dpmpp;
  job.priority = -3;
  Job empty_negative = a_job("none");
  empty_negative.negative_prompt = "";
  const auto text = failed_list_text({{0, failure(job)}, {1, failure(empty_negative)}}, {"/m"}, "/o");
  const JobList list = parse_job_list(text, "failed.yaml");
  ASSERT_EQ(list.jobs.size(), 2u);
  EXPECT_EQ(fingerprint(list.jobs[0], recipe), fingerprint(job, recipe)) << text;
  EXPECT_EQ(list.jobs[0].priority, -3);
  EXPECT_EQ(fingerprint(list.jobs[1], recipe), fingerprint(empty_negative, recipe));
}

TEST(FailedList, GivesGuidanceOfOneExpertOrNoneBack) {
  std::map<std::size_t, ClipResult> clips;
  for (const Guidance& guidance : {Guidance{{}, {}}, Guidance{4.5, {}}, Guidance{{}, 3.0}}) {
    Job job = a_job("clip-" + std::to_string(clips.size()));
    job.guidance = guidance;
    job.solver = SolverKind::euler;
    clips.emplace(clips.size(), failure(job));
  }
  const std::string text = failed_list_text(clips, {.from = "/m"}, "/o");
  EXPECT_NE(text.find("    guidance: none\n"), std::string::npos) << text;
  EXPECT_NE(text.find("    guidance: {high: 4.5, low: none}\n"), std::string::npos) << text;
  const JobList list = parse_job_list(text, "failed.yaml");
  ASSERT_EQ(list.jobs.size(), clips.size());
  for (const auto& [i, clip] : clips) {
    EXPECT_EQ(list.jobs[i].guidance, clip.job.guidance);
    EXPECT_EQ(list.jobs[i].solver, SolverKind::euler);
  }
}

TEST(FailedList, KeepsWhatClipsAreSavedBy) {
  const test::TempFolder folder;
  const Path file = folder / "step \"cache\": 1.json";
  write_file(file, R"({"E": 0.05, "K": 3, "R": 0.25, "conditional": [1, 0.9], "unconditional": [1, 0.8]})");
  Job with_rule = a_job("rule"), with_file = a_job("file"), with_odd_file = a_job("odd");
  with_rule.step_cache = StepCache{{0.1 + 0.2, 1, 0.2}};
  with_rule.guidance_interval = GuidanceInterval{0.3, 1, true};
  with_file.step_cache = StepCache{{}, file.string(), {}};
  with_file.guidance_interval = GuidanceInterval{3, 30};
  with_odd_file.step_cache = StepCache{{}, "/caf\xe9.json", {}};
  const std::string text = failed_list_text(
      {{0, failure(with_rule)}, {1, failure(with_file)}, {2, failure(with_odd_file)}, {3, failure(a_job("plain"))}},
      {.from = "/m"}, "/o");
  const std::vector<Job> jobs = parse_job_list(text, "failed.yaml").jobs;
  ASSERT_EQ(jobs.size(), 4u) << text;
  EXPECT_EQ(jobs[0].step_cache, with_rule.step_cache);
  EXPECT_EQ(jobs[0].guidance_interval, with_rule.guidance_interval);
  EXPECT_EQ(jobs[1].step_cache->file, file.string());
  EXPECT_EQ(jobs[1].guidance_interval, with_file.guidance_interval);
  EXPECT_FALSE(jobs[2].step_cache);
  EXPECT_NE(text.find("give it as --step-cache"), std::string::npos) << text;
  EXPECT_FALSE(jobs[3].step_cache || jobs[3].guidance_interval);
}

TEST(FailedList, ReadsLikeAListThatAPersonWrote) {
  Job job = a_job("rain");
  job.steps = 20;
  const std::string text = failed_list_text(
      {{0, failure(job, "no memory\x1b[31m\nfor 3 GiB\xff")}, {4, {.status = ClipResult::cancelled, .job = job}}},
      {"random:a14b"}, "/data/my renders");
  EXPECT_EQ(text.substr(text.find("model:")),
            "model: \"random:a14b\"\n"
            "output: \"/data/my renders\"\n"
            "prompts:\n"
            "  # failed (resource, attempt 3, rank 5): no memory\ufffd[31m\n"
            "  # for 3 GiB\ufffd\n"
            "  - name: \"rain\"\n"
            "    prompt: \"Rain\"\n"
            "    seed: 42\n"
            "    steps: 20\n"
            "  # cancelled\n"
            "  - name: \"rain\"\n"
            "    prompt: \"Rain\"\n"
            "    seed: 42\n"
            "    steps: 20\n");
}

TEST(FailedList, PathsAreAbsoluteAndOnesThatAreNotUtf8AreLeftToFlags) {
  const std::string text = failed_list_text({{0, failure(a_job("rain"))}}, {"models/shapes"}, "caf\xe9");
  const JobList list = parse_job_list(text, "failed.yaml");
  EXPECT_EQ(list.model, ModelSource{.from = std::filesystem::current_path() / "models/shapes"});
  EXPECT_FALSE(list.output);
  EXPECT_NE(text.find("--output"), std::string::npos);
}

TEST(FailedList, GivesTheModelBackWithItsPartsAndLoras) {
  const ModelSource parts{.high = "/h: #1", .low = "/l", .text = "/t", .vae = "/\"v\"", .tokenizer = "/k"};
  ModelSource folder{.from = "/f", .vae = "/v"};
  folder.loras = {{"/a", "/b", 0.1 + 0.2, -3}, {"/c", "/c", 0.7, 0.7}, {"/c", "/c", 1, 0}, {"", "/d", 1, 1e-7}};
  ModelSource loras_alone;
  loras_alone.loras = folder.loras;
  for (const ModelSource& model : {parts, folder, loras_alone}) {
    const std::string text = failed_list_text({{0, failure(a_job("rain"))}}, model, "/o");
    EXPECT_EQ(parse_job_list(text, "failed.yaml").model, model) << text;
  }
}

TEST(FailedList, PartsAndLorasThatAreNotUtf8AreLeftToFlags) {
  ModelSource model{.high = "/h", .low = "/l\xff", .text = "/t", .vae = "/v"};
  model.loras = {{"/a", "/a"}, {"/b\xff", ""}};
  const std::string text = failed_list_text({{0, failure(a_job("rain"))}}, model, "/o");
  EXPECT_EQ(parse_job_list(text, "failed.yaml").model, ModelSource{}) << text;
  EXPECT_NE(text.find("--high-model, --low-model, --text-model, --vae-model."), std::string::npos) << text;
  EXPECT_NE(text.find("--lora-high"), std::string::npos) << text;
}

TEST(FailedList, ANameThatNoListMayGiveIsLeftOut) {
  const Job job = a_job(std::string(199, 'x') + "-s42");
  const JobList list = parse_job_list(failed_list_text({{0, failure(job)}}, {"/m"}, "/o"), "failed.yaml");
  EXPECT_EQ(list.jobs.at(0).name, "0001-rain-s42");
  EXPECT_EQ(fingerprint(list.jobs[0], recipe), fingerprint(job, recipe));
}

class FailedListFile : public ::testing::Test {
 protected:
  std::size_t clips() const { return there() ? read_job_list(file).jobs.size() : 0; }
  bool there() const { return std::filesystem::exists(file); }
  test::TempFolder folder;
  RunFolder run{folder / "out"};
  const Path file = folder / "out/failed.yaml";
};

TEST_F(FailedListFile, IsWrittenAtOnceAndThenEveryFewSeconds) {
  FailedList list(run, {"/m"}, folder / "prompts.yaml");
  list.write_if_due(0);
  EXPECT_FALSE(there());
  for (std::size_t i = 0; i < 10; ++i) {
    list.add(i, failure(a_job("clip-" + std::to_string(i))));
    list.write_if_due(100 + static_cast<double>(i));
    EXPECT_EQ(clips(), i < 5 ? 1 : 6) << i;
  }
  list.finish(false);
  EXPECT_EQ(clips(), 10u);
}

TEST_F(FailedListFile, IsRemovedWhenNothingFailed) {
  folder.write("out/failed.yaml", "of an earlier run");
  FailedList(run, {"/m"}, folder / "prompts.yaml").finish(true);
  EXPECT_FALSE(there());
}

TEST_F(FailedListFile, ForgetsWhatIsTriedAgain) {
  FailedList list(run, {"/m"}, folder / "prompts.yaml");
  list.add(0, failure(a_job("a")));
  list.write_if_due(0);
  EXPECT_TRUE(there());
  list.remove(0);
  list.write_if_due(10);
  EXPECT_FALSE(there());
}

TEST_F(FailedListFile, AsTheListOfTheRunItStaysUntilTheRunIsComplete) {
  folder.write("out/failed.yaml", "prompts: [a, b, c]\n");
  FailedList list(run, {"/m"}, file);
  list.add(1, failure(a_job("b")));
  list.write_if_due(0);
  list.finish(false);
  EXPECT_EQ(clips(), 3u) << "the same command has to find all that is left";
  list.finish(true);
  EXPECT_EQ(clips(), 1u);
}

}  // namespace
}  // namespace wf
