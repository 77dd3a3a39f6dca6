// tests/launcher/run/run_files_test.cpp: the tables that a run leaves beside its clips, the runs that hold themselves,
// and the command that is told of the end.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/launcher/program.hpp"
#include "tests/text.hpp"

namespace wf {
namespace {

using Json = nlohmann::json;
using Flags = std::vector<std::string>;

/// A clip that fails for good at the first attempt; to be rendered with model_of_shorter_texts().
std::string bad_clip(const std::string& name) {
  return "  - {prompt: 'too \"much\": #" + name + too_many_words() + "', name: " + name + "}\n";
}

class RunFiles : public testing::Test {
 protected:
  ProgramResult render(const Flags& more = {}, const std::string& fault = "") const {
    Flags flags{"render",    "list.yaml", "--model", model, "--output", "out",
                "--threads", "1",         "--codec", "y4m", "--device", "cpu"};
    flags.insert(flags.end(), more.begin(), more.end());
    const Flags faults = fault.empty() ? Flags{} : Flags{"WANFARM_FAULT=" + fault};
    return run(folder.path(), flags, {.environment = faults});
  }
  void list(const std::string& text) const { write_file(folder / "list.yaml", text); }
  bool there(const std::string& file) const { return std::filesystem::exists(folder / file); }
  std::string content(const std::string& file) const { return there(file) ? read_file(folder / file) : ""; }
  test::TempFolder folder;
  Path model = golden_model_folder();
};

TEST_F(RunFiles, WhatFailedIsAListToMendAndRender) {
  model = model_of_shorter_texts(folder.path());
  list(small_list(1) + bad_clip("too-much"));
  ASSERT_EQ(render().code, 1);
  std::string failed = content("out/failed.yaml");
  EXPECT_TRUE(contains(failed, "# failed (input")) << failed;
  const std::size_t words = failed.find(too_many_words());
  ASSERT_NE(words, std::string::npos) << failed;
  failed.erase(words, too_many_words().size());
  write_file(folder / "out/failed.yaml", failed);
  const ProgramResult outcome =
      run(folder.path(), {"render", "out/failed.yaml", "--threads", "1", "--codec", "y4m", "--device", "cpu"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(Json::parse(content("out/too-much.json")).at("job").at("prompt"), "too \"much\": #too-much");
  EXPECT_FALSE(there("out/failed.yaml")) << "nothing is left to mend";
}

TEST_F(RunFiles, TablesSayHowEachClipEnded) {
  model = model_of_shorter_texts(folder.path());
  list(small_list(2) + bad_clip("too-much"));
  const ProgramResult outcome = render({"--json"});
  ASSERT_EQ(outcome.code, 1) << outcome.err;
  std::string printed;
  for (const std::string& line : lines_of(outcome.out))
    if (!contains(line, "\"summary\"")) printed += line + "\n";
  EXPECT_EQ(content("out/results.jsonl"), printed);
  const std::vector<std::string> rows = lines_of(content("out/results.csv"));
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_TRUE(rows[1].ends_with(",clip-1.y4m,,1,0")) << rows[1];
  const std::string metrics = content("out/metrics.prom");
  EXPECT_TRUE(contains(metrics, "state=\"done\"} 2\n")) << metrics;
  EXPECT_TRUE(contains(metrics, "state=\"failed\"} 1\n")) << metrics;
  EXPECT_TRUE(contains(metrics, "kind=\"input\"} 1\n")) << metrics;
  const Json summary = Json::parse(content("out/.wanfarm/summary.json"));
  EXPECT_EQ(summary.at("clips"), 3);
  EXPECT_EQ(summary.at("exit_code"), 1);
}

TEST_F(RunFiles, TablesKeepWhatEarlierRunsDid) {
  list(small_list(3));
  ASSERT_EQ(render().code, 0);
  const std::string first = content("out/results.csv");
  ASSERT_EQ(lines_of(first).size(), 4u) << first;
  std::ofstream(folder / "out/results.jsonl", std::ios::app) << "{\"name\": \"torn";
  ASSERT_EQ(render({"--only", "3"}).code, 0);
  EXPECT_EQ(content("out/results.csv"), first) << "clip 3 is the last one still, in the attempt that finished it";
  ASSERT_EQ(render().code, 0);
  EXPECT_EQ(content("out/results.csv"), first);
  list("defaults: {size: 32x32, frames: 5, steps: 2}\nprompts: [{prompt: of another list, name: other}]\n");
  ASSERT_EQ(render().code, 0);
  EXPECT_TRUE(content("out/results.csv").starts_with(first)) << content("out/results.csv");
  EXPECT_EQ(lines_of(content("out/results.csv")).size(), 5u);
  EXPECT_EQ(lines_of(content("out/results.jsonl")).size(), 4u);
}

TEST_F(RunFiles, WhatFailedStaysPartOfTheList) {
  model = model_of_shorter_texts(folder.path());
  list(small_list(2) + bad_clip("too-much"));
  ASSERT_EQ(render().code, 1);
  ASSERT_EQ(
      run(folder.path(), {"render", "out/failed.yaml", "--threads", "1", "--codec", "y4m", "--device", "cpu"}).code, 1);
  const ProgramResult status = run(folder.path(), {"status", "out"});
  EXPECT_TRUE(contains(status.out, "3 clips: 2 done (2 found), 1 failed")) << status.out;
  EXPECT_EQ(lines_of(content("out/results.csv")).size(), 4u) << content("out/results.csv");
  EXPECT_EQ(run(folder.path(), {"explain", "out", "3"}).code, 0) << "its number in the whole list";
}

TEST_F(RunFiles, TheLastLineCountsEveryClip) {
  list(small_list(3));
  ASSERT_EQ(render({"--limit", "1"}).code, 0);
  ASSERT_EQ(render({}, "drain@high").code, 75);
  ASSERT_EQ(run(folder.path(), {"control", "out", "cancel", "clip-3"}).code, 0);
  const ProgramResult outcome = render();
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(contains(outcome.err, "1 rendered, 1 finished before, 0 failed, 1 cancelled, 0 left")) << outcome.err;
  const ProgramResult status = run(folder.path(), {"status", "out"});
  EXPECT_TRUE(contains(status.out, "with exit code 0 (2 of 3 clips are done)")) << status.out;
}

TEST_F(RunFiles, TheJobLogHoldsTheAttemptsOfAllRuns) {
  model = model_of_shorter_texts(folder.path());
  list(small_list(1) + bad_clip("too-much"));
  for (int i = 0; i < 2; ++i) EXPECT_EQ(render({"--joblog", "job.log"}).code, 1);
  std::multimap<std::string, std::vector<std::string>> by_seq;
  for (const std::string& line : lines_of(content("job.log"))) {
    std::vector<std::string> cells;
    std::istringstream in(line);
    for (std::string cell; std::getline(in, cell, '\t');) cells.push_back(cell);
    ASSERT_EQ(cells.size(), 9u) << line;
    by_seq.emplace(cells[0], cells);
  }
  EXPECT_EQ(by_seq.count("Seq"), 1u);
  ASSERT_EQ(by_seq.count("1"), 1u) << "it is done at once";
  const std::vector<std::string>& done = by_seq.find("1")->second;
  EXPECT_EQ(done[6], "0");
  EXPECT_EQ(done[5], std::to_string(std::filesystem::file_size(folder / "out/clip-1.y4m")));
  ASSERT_EQ(by_seq.count("2"), 2u) << "in either run";
  const std::vector<std::string>& failed = by_seq.find("2")->second;
  EXPECT_EQ(failed[6], "2") << "the prompt is at fault";
  EXPECT_EQ(failed[8], "wanfarm render list.yaml --only too-much");
}

TEST_F(RunFiles, AFolderOfAUserInThePlaceOfFramesIsRefusedBeforeAnythingIsRendered) {
  list(small_list(2));
  folder.write("out/clip-2/notes.txt", "mine");
  const ProgramResult outcome = render({"--png"});
  EXPECT_EQ(outcome.code, 2) << outcome.err;
  EXPECT_TRUE(contains(outcome.err, (folder / "out/clip-2").string() + ": is not a folder of this clip's frames"))
      << outcome.err;
  EXPECT_FALSE(there("out/clip-1.y4m"));
  EXPECT_EQ(render().code, 0) << "without --png it is in nobody's way";
  EXPECT_EQ(content("out/clip-2/notes.txt"), "mine");
}

TEST_F(RunFiles, AFolderOfAUserInThePlaceOfACopysFramesIsRefusedAsWell) {
  list("defaults: {size: 32x32, frames: 5, steps: 2}\nprompts: [{prompt: rain, name: a}, {prompt: rain, name: b}]\n");
  folder.write("out/b/notes.txt", "mine");
  const ProgramResult outcome = render({"--png"});
  EXPECT_EQ(outcome.code, 2) << outcome.err;
  EXPECT_FALSE(there("out/a.y4m"));
  EXPECT_EQ(content("out/b/notes.txt"), "mine");
}

TEST_F(RunFiles, FiveClipsInARowThatFailAlikeHoldTheRun) {
  list(small_list(8));
  const ProgramResult held = render({"--json"}, "throw@decode");
  EXPECT_EQ(held.code, 4) << held.err;
  EXPECT_TRUE(contains(held.err, "5 clips in a row failed with `internal` within a minute")) << held.err;
  EXPECT_GE(Json::parse(lines_of(held.out).back()).at("summary").at("left"), 1);
  EXPECT_EQ(Json::parse(content("out/.wanfarm/summary.json")).at("exit_code"), 4);
  const ProgramResult again = render();
  EXPECT_EQ(again.code, 0) << "the same command goes on: " << again.err;
}

TEST_F(RunFiles, WithKeepGoingTheWholeListIsTried) {
  list(small_list(6));
  const ProgramResult outcome = render({"--json", "--keep-going", "--max-failures", "1"}, "throw@decode");
  EXPECT_EQ(outcome.code, 1) << outcome.err;
  EXPECT_EQ(Json::parse(lines_of(outcome.out).back()).at("summary").at("failed"), 6);
}

TEST_F(RunFiles, MoreFailuresThanAllowedHoldTheRun) {
  model = model_of_shorter_texts(folder.path());
  list("defaults: {size: 32x32, frames: 5, steps: 2, priority: 1}\nprompts:\n" + bad_clip("bad-1") + bad_clip("bad-2") +
       "  - {prompt: fine, name: fine, priority: 0}\n");
  EXPECT_EQ(render({"--max-failures", "2"}).code, 1);
  std::filesystem::remove_all(folder / "out");
  const ProgramResult held = render({"--max-failures", "50%"});
  EXPECT_EQ(held.code, 4) << held.err;
  EXPECT_TRUE(contains(held.err, "more than 50% of the clips failed (--max-failures 50%)")) << held.err;
  EXPECT_FALSE(there("out/fine.json"));
  for (const std::string wrong : {"-1", "1.5", "101%", "x%", "%", ""})
    EXPECT_EQ(render({"--max-failures=" + wrong}).code, 2) << wrong;
}

// ---- --on-finish

const std::string tell =
    "echo \"$WANFARM_EXIT_CODE done $WANFARM_DONE failed $WANFARM_FAILED left $WANFARM_LEFT in $WANFARM_OUTPUT\" "
    ">>told";

class OnFinish : public RunFiles {
 protected:
  std::string in_out() const { return " in " + (folder / "out").string() + "\n"; }
};

TEST_F(OnFinish, IsToldHowTheRunEnded) {
  model = model_of_shorter_texts(folder.path());
  list(small_list(2) + bad_clip("too-much"));
  EXPECT_EQ(render({"--on-finish", tell}).code, 1);
  EXPECT_EQ(content("told"), "1 done 2 failed 1 left 0" + in_out());
}

TEST_F(OnFinish, IsRunAfterADrainAndAfterAMistake) {
  list(small_list(3));
  EXPECT_EQ(render({"--on-finish", tell}, "drain@high").code, 75);
  EXPECT_EQ(content("told"), "75 done 0 failed 0 left 3" + in_out());
  list("prompts: [");
  std::filesystem::remove(folder / "told");
  EXPECT_EQ(render({"--on-finish", tell}).code, 2);
  EXPECT_EQ(content("told"), "2 done  failed  left  in \n") << "no figures of an earlier run";
}

TEST_F(OnFinish, ItsFailureIsToldAndChangesNothing) {
  list(small_list(1));
  const ProgramResult outcome = render({"--json", "--on-finish", "echo written; exit 7"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_TRUE(contains(outcome.err, "written\n")) << outcome.err;
  EXPECT_TRUE(contains(outcome.err, "the command of --on-finish ended with exit code 7")) << outcome.err;
  EXPECT_FALSE(contains(outcome.out, "written")) << "stdout is JSON";
}

TEST_F(OnFinish, IsNotRunForADryRun) {
  list(small_list(1));
  EXPECT_EQ(render({"--dry-run", "--on-finish", tell}).code, 0);
  EXPECT_FALSE(there("told"));
}

/// Every start loses rank 0, which would tell of its end itself if it were asked to.
TEST_F(OnFinish, IsRunOnceHoweverOftenRanksAreStarted) {
  list(small_list(3));
  const ProgramResult lost = render({"--ranks", "2", "--restarts", "1", "--on-finish", tell}, "kill@load#0");
  EXPECT_EQ(lost.code, 1) << lost.err;
  EXPECT_TRUE(contains(lost.err, "it is started again")) << lost.err;
  ASSERT_EQ(lines_of(content("told")).size(), 1u) << content("told");
  EXPECT_EQ(content("told"), "1 done 0 failed 0 left 3" + in_out());
  std::filesystem::remove(folder / "told");
  EXPECT_EQ(render({"--ranks", "2", "--on-finish", tell}).code, 0);
  EXPECT_EQ(content("told"), "0 done 3 failed 0 left 0" + in_out());
}

}  // namespace
}  // namespace wf
