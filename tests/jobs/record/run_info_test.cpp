// tests/jobs/record/run_info_test.cpp: what a run is, its clips and its status come back as they were written.
#include "jobs/record/run_info.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.hpp"
#include "jobs/output/fingerprint.hpp"
#include "jobs/record/live_status.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

class RunFiles : public ::testing::Test {
 protected:
  RunFiles() { make_folder(folder / ".wanfarm"); }
  test::TempFolder folder;
};

RunInfo full_info() {
  return {.id = "n1-77",
          .epoch = 3,
          .started = 1764403200.25,
          .host = "n1",
          .pid = 4711,
          .version = "0.16",
          .command = {"wanfarm", "render", "my \"list\".yaml", "caf\u00e9"},
          .folder = "/home/u",
          .model = {.from = "models/shapes", .vae = "/v", .loras = {{"/a", "", 0.5}}},
          .placement = "pipeline",
          .precision = "exact",
          .codec = "h264",
          .ranks = {{"n1", "NVIDIA H200", 0}, {"n2", "NVIDIA H200", 0}},
          .settings = {{"tf32", "true"}}};
}

TEST_F(RunFiles, TheInfoComesBackAsItWas) {
  EXPECT_FALSE(read_run_info(folder.path()));
  write_run_info(folder.path(), full_info());
  const RunInfo read = read_run_info(folder.path()).value();
  EXPECT_EQ(read.id, "n1-77");
  EXPECT_EQ(read.epoch, 3);
  EXPECT_EQ(read.started, 1764403200.25);
  EXPECT_EQ(read.pid, 4711);
  EXPECT_EQ(read.command, full_info().command);
  EXPECT_EQ(read.model, full_info().model);
  EXPECT_EQ(read.settings, full_info().settings);
  ASSERT_EQ(read.ranks.size(), 2u);
  EXPECT_EQ(read.ranks[1].host, "n2");
  EXPECT_EQ(read.ranks[1].leader, 0);
}

TEST_F(RunFiles, ThatAreBrokenAreAsIfTheyWereNotThere) {
  for (const std::string text : {"", "{", "[]", "{\"id\":3}"}) {
    folder.write(".wanfarm/run.json", text);
    folder.write(".wanfarm/status.json", text);
    EXPECT_FALSE(read_run_info(folder.path())) << text;
    EXPECT_FALSE(read_live_status(folder.path())) << text;
  }
}

TEST_F(RunFiles, TheStatusComesBackAsItWas) {
  LiveStatus status{.epoch = 2, .time = 12.5, .state = "running", .clips = 9, .done = 3, .found = 1};
  status.failures = {{"resource", 2}};
  status.eta_seconds = 60;
  status.ranks = {{.clip = "a", .stage = "high", .step = 3, .steps = 40, .seconds_per_step = 1.5, .since = 11},
                  {.lost = true}};
  write_live_status(folder.path(), status);
  const LiveStatus read = read_live_status(folder.path()).value();
  EXPECT_EQ(read.epoch, 2);
  EXPECT_EQ(read.state, "running");
  EXPECT_EQ(read.clips, 9u);
  EXPECT_EQ(read.failures, status.failures);
  EXPECT_EQ(read.eta_seconds, 60);
  EXPECT_EQ(read.eta_least, -1);
  ASSERT_EQ(read.ranks.size(), 2u);
  EXPECT_EQ(read.ranks[0].clip, "a");
  EXPECT_EQ(read.ranks[0].seconds_per_step, 1.5);
  EXPECT_TRUE(read.ranks[1].lost);
}

std::vector<Job> different_jobs() {
  Job first;
  first.name = "0001-a";
  first.prompt = "a \"red\" kite\nover 熊 🎬";
  first.seed = 42;
  Job second = first;
  second.name = "0002-b";
  second.index = 2;
  second.seed = 7;
  second.guidance = {.high = 1.1, .low = {}};
  second.solver = SolverKind::dpmpp;
  Job third = first;
  third.name = "0003-c";
  third.negative_prompt = "";
  third.priority = 3;
  return {first, second, third};
}

TEST_F(RunFiles, TheClipsComeBackWithEveryValue) {
  const std::vector<Job> jobs = different_jobs();
  write_clip_list(folder.path(), jobs, {"f1", "f2", "f3"});
  const std::vector<ListedClip> clips = read_clip_list(folder.path());
  ASSERT_EQ(clips.size(), jobs.size());
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    EXPECT_EQ(to_json(clips[i].job), to_json(jobs[i]));
    EXPECT_EQ(clips[i].fingerprint, "f" + std::to_string(i + 1));
  }
}

TEST_F(RunFiles, ClipsWithAndWithoutAStepCacheComeBackWhicheverIsFirst) {
  std::vector<Job> jobs = different_jobs();
  jobs[1].step_cache = StepCache{};
  jobs[1].saved = {{20}, {20, 21}, {}};
  jobs[2].guidance_interval = GuidanceInterval{3, 30};
  for (int turn = 0; turn < 3; ++turn) {
    std::rotate(jobs.begin(), jobs.begin() + 1, jobs.end());
    write_clip_list(folder.path(), jobs, {"f1", "f2", "f3"});
    const std::vector<ListedClip> clips = read_clip_list(folder.path());
    ASSERT_EQ(clips.size(), jobs.size());
    for (std::size_t i = 0; i < jobs.size(); ++i) EXPECT_EQ(to_json(clips[i].job), to_json(jobs[i])) << turn;
  }
}

TEST_F(RunFiles, AClipTakesALineThatHoldsOnlyWhatDiffersFromTheFirst) {
  write_clip_list(folder.path(), different_jobs(), {"f1", "f2", "f3"});
  const std::string text = read_file(folder / ".wanfarm/clips.jsonl");
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
  EXPECT_NE(
      text.find("\n{\"fingerprint\":\"f3\",\"job\":{\"name\":\"0003-c\",\"negative_prompt\":\"\",\"priority\":3}}\n"),
      text.npos)
      << text;
}

TEST_F(RunFiles, NoClipsAreAnEmptyListAndNoListIsAsWell) {
  EXPECT_TRUE(read_clip_list(folder.path()).empty());
  write_clip_list(folder.path(), {}, {});
  EXPECT_TRUE(read_clip_list(folder.path()).empty());
}

TEST_F(RunFiles, ABrokenListIsNamedWithItsLine) {
  write_clip_list(folder.path(), different_jobs(), {"f1", "f2", "f3"});
  std::string text = read_file(folder / ".wanfarm/clips.jsonl");
  text[text.find('\n') + 3] = '"';
  folder.write(".wanfarm/clips.jsonl", text);
  try {
    read_clip_list(folder.path());
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::input);
    EXPECT_NE(std::string(error.what()).find(".wanfarm/clips.jsonl:2: "), std::string::npos) << error.what();
  }
}

TEST_F(RunFiles, APartOfTheListLeavesTheOtherClipsInTheirPlaces) {
  std::vector<Job> jobs(3);
  for (std::size_t i = 0; i < jobs.size(); ++i)
    jobs[i].name = "c" + std::to_string(i), jobs[i].seed = 1, jobs[i].index = static_cast<int>(i) + 1;
  write_clip_list(folder.path(), jobs, {"f0", "f1", "f2"});
  Job edited = jobs[1], added = jobs[0];
  edited.seed = 2;
  edited.index = 1;  // in the part
  added.name = "c3";
  add_to_clip_list(folder.path(), {edited, added}, {"g1", "f3"});
  std::string fingerprints;
  for (const ListedClip& clip : read_clip_list(folder.path())) fingerprints += clip.fingerprint + " ";
  EXPECT_EQ(fingerprints, "f0 g1 f2 f3 ");
  EXPECT_EQ(read_clip_list(folder.path()).at(1).job.seed, 2);
  EXPECT_EQ(read_clip_list(folder.path()).at(1).job.index, 2) << "its number in the whole list";
}

}  // namespace
}  // namespace wf
