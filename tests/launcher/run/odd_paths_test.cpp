// tests/launcher/run/odd_paths_test.cpp: paths that are not UTF-8, as disks full of old archives have them, work
// everywhere; where a name has to be text, it is refused in words.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "jobs/output/publish.hpp"
#include "jobs/record/results_tables.hpp"
#include "tests/launcher/program.hpp"
#include "tests/text.hpp"

namespace wf {
namespace {

using Json = nlohmann::json;

const std::string odd = "\xff\xc3(";  // no part of it is UTF-8

/// Programs run in a folder whose name is not UTF-8, with a model, a list and a file of prompts whose names are not.
class OddPaths : public testing::Test {
 protected:
  OddPaths() {
    make_folder(here);
    std::filesystem::create_directory_symlink(golden_model_folder(), here / model);
    write_file(here / list, small_list(2));
  }

  ProgramResult run_here(std::vector<std::string> arguments) const {
    return run(here, arguments, {.environment = {"HOME=" + (here / ("home" + odd)).string()}});
  }
  ProgramResult render(const std::vector<std::string>& flags = {}) const {
    std::vector<std::string> arguments{"render", list, "--model", model, "--output", output, "--threads", "1"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    return run_here(arguments);
  }

  const TempFolder folder;
  const Path here = folder / ("here" + odd);
  const std::string model = "model" + odd, list = "list" + odd + ".yaml", output = "out" + odd;
};

TEST_F(OddPaths, AListIsRenderedAndFoundFinished) {
  const std::string trace = "trace" + odd + ".json";
  const ProgramResult first = render({"--json", "--save-latents", "--png", "--trace", trace});
  ASSERT_EQ(first.code, 0) << first.err;
  EXPECT_EQ(json_lines_of(first.out).back().at("summary").at("done"), 2);
  for (const std::string name : {"clip-1.json", "clip-2.h5", "clip-1/00001.png", "results.csv", "results.jsonl",
                                 "metrics.prom", "log/rank-000.log"})
    EXPECT_TRUE(std::filesystem::exists(here / output / name)) << name;
  EXPECT_FALSE(Json::parse(read_file(here / trace)).at("traceEvents").empty());
  const ProgramResult second = render({"--json"});
  EXPECT_EQ(json_lines_of(second.out).back().at("summary").at("skipped"), 2) << second.err;
}

TEST_F(OddPaths, ADryRunShowsThemAsFarAsTheyAreText) {
  const ProgramResult outcome = render({"--dry-run", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(json_lines_of(outcome.out).back().at("run").at("output"), "out\ufffd\ufffd(");
  EXPECT_EQ(render({"--dry-run"}).code, 0);
}

TEST_F(OddPaths, TheOtherCommandsTakeThem) {
  ASSERT_EQ(render({"--limit", "1", "--codec", "y4m"}).code, 0);
  const std::string video = output + "/clip-1.y4m", results = "results" + odd + ".json";
  const std::vector<std::vector<std::string>> commands{
      {"validate", list},
      {"plan", list, "--model", model, "--gpu", "cpu", "--json"},
      {"inspect", model},
      {"inspect", video},
      {"compare", video, video},
      {"doctor", "--model", model},
      {"tokenize", "--model", model},
      {"make-model", "random" + odd},
      {"bench", "text", "--model", model, "--device", "cpu", "--runs", "1", "--save_results", results, "--json"},
      {"generate", "--ckpt_dir", model, "--size", "32x32", "--frames", "1", "--steps", "1", "--prompt", "Rain",
       "--codec", "y4m", "--save_file", "films" + odd + "/rain.y4m"}};
  for (const std::vector<std::string>& command : commands) {
    const ProgramResult outcome = run_here(command);
    EXPECT_EQ(outcome.code, 0) << command.front() << ": " << outcome.err << outcome.out;
    const bool json = std::ranges::count(command, "--json") > 0;
    EXPECT_TRUE(!json || !json_lines_of(outcome.out).empty()) << command.front();
  }
  EXPECT_TRUE(Json::parse(read_file(here / results)).contains("command"));
  EXPECT_TRUE(std::filesystem::exists(here / ("films" + odd) / "rain.y4m"));
}

TEST_F(OddPaths, ListsAreTextSoTheyCannotNameOne) {
  write_file(here / list, "output: " + output + "\n" + small_list(1));
  const ProgramResult outcome = run_here({"validate", list});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_TRUE(contains(outcome.err, "1:12: the byte 0xff is not UTF-8")) << outcome.err;
}

TEST_F(OddPaths, AFileOfPromptsIsFoundBesideTheList) {
  write_file(here / list, "defaults: {size: 32x32, frames: 5}\nprompts:\n  - file: more.csv\n");
  write_file(here / "more.csv", "prompt;steps\nRain;0\n");
  const ProgramResult outcome = run_here({"validate", list});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_TRUE(contains(outcome.err, "more.csv:2:6: steps must be 1 to 1000, got 0")) << outcome.err;
}

TEST_F(OddPaths, WhatBecomesPartOfASidecarIsRefused) {
  struct Refused {
    std::vector<std::string> flags;
    std::string message;
  };
  const Refused commands[] = {
      {{"--save_file", "clip" + odd + ".mp4", "--codec", "h264"}, "--save_file: the file's name is also the clip's"},
      {{"--prompt", odd}, "prompt must be UTF-8"},
      {{"--negative-prompt", odd}, "--negative-prompt: negative_prompt must be UTF-8"}};
  for (const auto& [flags, message] : commands) {
    std::vector<std::string> arguments{"generate", "--model", model};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    const ProgramResult outcome = run_here(arguments);
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_TRUE(contains(outcome.err, message)) << outcome.err;
  }
}

TEST_F(OddPaths, ErrorsThatNameOneAreTextInEveryReport) {
  const Error error(Error::permanent, output + "/clip-1.mp4: NaN");
  const ClipResult result = failed_result(ClipResult::failed, Job(), error, 1, 0);
  EXPECT_EQ(Json::parse(json_line(result)).at("error"), "out\ufffd\ufffd(/clip-1.mp4: NaN");
  const RunFolder run(here / output);
  ResultsTables(run, [](const ClipResult&) { return false; }).add(result);
  EXPECT_TRUE(contains(read_file(here / output / "results.csv"), "out\ufffd\ufffd(/clip-1.mp4: NaN"));
}

}  // namespace
}  // namespace wf
