// tests/launcher/cli/step_cache_test.cpp: --step-cache and --guidance-interval as users give them: what dry runs and
// plans show of them, and what is refused.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/launcher/program.hpp"
#include "tests/text.hpp"

namespace wf {
namespace {

using Json = nlohmann::json;
using Arguments = std::vector<std::string>;

const std::string cache_of_four =
    R"({"E": 0.06, "K": 2, "R": 0, "conditional": [1, 1, 1, 1], "unconditional": [1, 1, 1, 1],
 "high_noise_steps": 3})";

/// A list of one clip of four steps, three of which are the high-noise expert's, and a step cache's file.
class SavingForwards : public testing::Test {
 protected:
  SavingForwards() {
    write_file(folder / "list.yaml", small_list(1, 4));
    write_file(folder / "cache.json", cache_of_four);
  }
  ProgramResult wanfarm(Arguments arguments, const Arguments& more) {
    arguments.insert(arguments.end(), {"--model", golden_model_folder()});
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(folder.path(), arguments, {.environment = {"WANFARM_CACHE=" + (folder / "user").string()}});
  }
  ProgramResult dry_run(const Arguments& more) { return wanfarm({"render", "list.yaml", "--dry-run"}, more); }

  const TempFolder folder;
};

TEST_F(SavingForwards, IsShownByADryRun) {
  const Arguments flags{"--step-cache", "cache.json", "--guidance-interval", "1,3"};
  const ProgramResult text = dry_run(flags);
  ASSERT_EQ(text.code, 0) << text.err;
  EXPECT_NE(text.out.find("saved           5 of 8 forwards\n"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("guidance_interval"), std::string::npos) << text.out;
  Arguments json = flags;
  json.push_back("--json");
  const Json job = json_lines_of(dry_run(json).out).at(0).at("job");
  EXPECT_EQ(job.at("step_cache"), (folder / "cache.json").string());
  EXPECT_EQ(job.at("guidance_interval"), "1,3");
  EXPECT_EQ(job.at("saved"), Json::parse(R"({"conditional": [1, 2], "unconditional": [1, 2], "unguided": [3]})"));
}

TEST_F(SavingForwards, IsShownByAPlan) {
  const ProgramResult plan = wanfarm({"plan", "list.yaml", "--gpu", "cpu", "--json"}, {"--step-cache", "cache.json"});
  ASSERT_EQ(plan.code, 0) << plan.err;
  EXPECT_NE(plan.out.find("saved"), std::string::npos) << plan.out;
}

TEST_F(SavingForwards, ByAModelWithoutATableIsRefusedBeforeAnythingIsRendered) {
  const std::string missing = "no step cache table for this model; `wanfarm calibrate-cache` makes one (job clip-1)";
  for (const Arguments& verb :
       {Arguments{"render", "list.yaml", "--dry-run"}, Arguments{"render", "list.yaml", "--output", "out"},
        Arguments{"plan", "list.yaml", "--gpu", "cpu"}}) {
    const ProgramResult outcome = wanfarm(verb, {"--step-cache", "magcache"});
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_NE(outcome.err.find(missing), std::string::npos) << outcome.err;
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
}

TEST_F(SavingForwards, ByAFileThatIsWrongNamesFlagAndFile) {
  write_file(folder / "bad.json", "{\"E\": -1}");
  const ProgramResult bad = dry_run({"--step-cache", "bad.json"});
  EXPECT_EQ(bad.code, 2);
  EXPECT_NE(bad.err.find("--step-cache"), std::string::npos) << bad.err;
  EXPECT_NE(bad.err.find("bad.json: not a step cache: E must be a number above 0, got -1"), std::string::npos)
      << bad.err;
  EXPECT_EQ(dry_run({"--step-cache", "none.json"}).code, 2);
  EXPECT_EQ(dry_run({"--guidance-interval", "5,3"}).code, 2);
}

TEST_F(SavingForwards, OfALightningModelIsRefusedByName) {
  for (const Arguments& verb :
       {Arguments{"render", "list.yaml", "--dry-run"}, Arguments{"generate", "--prompt", "a star", "--dry-run"}}) {
    const ProgramResult outcome = wanfarm(verb, {"--step-cache", "magcache", "--preset", "lightning"});
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_NE(outcome.err.find("step_cache and preset lightning cannot go together"), std::string::npos) << outcome.err;
  }
}

TEST_F(SavingForwards, IsForWholeClipsOfABenchmark) {
  const ProgramResult outcome = wanfarm({"bench", "forward"}, {"--guidance-interval", "1,3"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("bench forward measures no whole clips"), std::string::npos) << outcome.err;
}

Json table_in(const Path& file) { return Json::parse(read_file(file)); }

/// Measures with clips of 32x32 pixels, 5 frames and 4 steps.
const Arguments small{"--size", "32x32", "--frames", "5", "--steps", "4"};

TEST_F(SavingForwards, TakesTheTableThatCalibrateCacheMeasures) {
  Arguments flags = small;
  flags.insert(flags.end(), {"--limit", "1"});
  const ProgramResult measured = wanfarm({"calibrate-cache"}, flags);
  ASSERT_EQ(measured.code, 0) << measured.err;
  EXPECT_NE(measured.out.find("the mean of 1 clip, 4 steps, of which 3 are the high-noise expert's"), std::string::npos)
      << measured.out;
  const std::vector<std::string> files = files_below(folder / "user/step-cache");
  ASSERT_EQ(files.size(), 1u);
  EXPECT_TRUE(files[0].ends_with("-unipc-12.json")) << files[0];
  const Json table = table_in(folder / "user/step-cache" / files[0]);
  EXPECT_EQ(table.at("conditional").size(), 4u);
  EXPECT_EQ(table.at("high_noise_steps"), 3);
  EXPECT_NE(table.at("conditional"), table.at("unconditional"));
  const ProgramResult found = dry_run({"--step-cache", "magcache:1000,2,0"});
  ASSERT_EQ(found.code, 0) << found.err;
  EXPECT_NE(found.out.find("4 of 8 forwards"), std::string::npos) << found.out;
}

TEST_F(SavingForwards, ByTheMeanOfSeveralClips) {
  const auto measure = [&](const std::string& list) {
    write_file(folder / "measure.yaml",
               "defaults: {size: 32x32, frames: 5, steps: 4, step_cache: cache.json}\nprompts: " + list);
    const ProgramResult outcome = wanfarm({"calibrate-cache", "measure.yaml"}, {"--output", "made/table.json"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return table_in(folder / "made/table.json").at("conditional").get<std::vector<double>>();
  };
  const std::vector<double> a = measure("[a star]"), b = measure("[{prompt: rain, seed: 7}]"),
                            both = measure("[a star, {prompt: rain, seed: 7}]");
  ASSERT_EQ(both.size(), 4u);
  EXPECT_EQ(both[0], 1);
  for (std::size_t step = 1; step < 4; ++step) {
    EXPECT_NE(a[step], b[step]);
    EXPECT_NEAR(both[step], (a[step] + b[step]) / 2, 1.01e-5) << "each of the three is rounded to five decimals";
  }
}

TEST_F(SavingForwards, ByClipsOfSeveralSchedulesIsRefused) {
  write_file(folder / "measure.yaml", "prompts: [{prompt: a, steps: 4}, {prompt: b, steps: 5}]");
  const ProgramResult outcome = wanfarm({"calibrate-cache", "measure.yaml"}, {});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("differ in steps, shift, solver or guidance"), std::string::npos) << outcome.err;
}

TEST_F(SavingForwards, CompletesItsWordsAndFiles) {
  EXPECT_NE(run(folder.path(), {"completion", "bash"}).out.find("_wanfarm_offer -f -W 'off magcache'"),
            std::string::npos);
  EXPECT_NE(run(folder.path(), {"completion", "fish"}).out.find("-r -a 'off magcache'"), std::string::npos);
}

}  // namespace
}  // namespace wf
