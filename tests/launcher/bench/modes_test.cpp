// tests/launcher/bench/modes_test.cpp: wanfarm bench clip with several modes: which are measured, and how their videos
// are compared.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/launcher/program.hpp"

namespace wf {
namespace {

using Json = nlohmann::json;
using Names = std::vector<std::string>;

/// Clips of four steps, of which the cache saves two for each guidance branch. Temporary folders are made in tmp.
class BenchModes : public ::testing::Test {
 protected:
  BenchModes() {
    std::filesystem::create_directory(folder_ / "tmp");
    write_file(folder_ / "cache.json",
               R"({"E": 0.06, "K": 2, "R": 0, "conditional": [1, 1, 1, 1], "unconditional": [1, 1, 1, 1],
 "high_noise_steps": 3})");
  }
  ProgramResult bench(const Names& arguments) {
    Names all{"bench",    "--model", golden_model_folder(), "--size", "32x48",  "--frames", "5",      "--steps", "4",
              "--device", "cpu",     "--threads",           "1",      "--runs", "1",        "--quiet"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return run(
        folder_.path(), all,
        {.environment = {"TMPDIR=" + (folder_ / "tmp").string(), "WANFARM_CACHE=" + (folder_ / "user").string()}});
  }
  Json json_of(Names arguments) {
    arguments.emplace_back("--json");
    const ProgramResult outcome = bench(arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(files_below(folder_ / "tmp"), Names{}) << "a video was left behind";
    return outcome.code == 0 ? Json::parse(outcome.out) : Json();
  }
  void expect_refused(const Names& arguments, const std::string& text) {
    const ProgramResult outcome = bench(arguments);
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_NE(outcome.err.find(text), std::string::npos) << outcome.err;
    EXPECT_EQ(std::ranges::count(outcome.err, '\n'), 1) << outcome.err;
    EXPECT_EQ(files_below(folder_ / "tmp"), Names{}) << "a video was left behind";
  }

  TempFolder folder_;
};

Names modes_of(const Json& rows) {
  Names modes;
  for (const Json& row : rows) modes.push_back(row.at("mode"));
  return modes;
}

const Json& row_of(const Json& rows, const std::string& mode) {
  for (const Json& row : rows)
    if (row.at("mode") == mode) return row;
  throw std::runtime_error("no row of " + mode + " in " + rows.dump(1));
}

void expect_equal_videos(const Json& row) {
  EXPECT_EQ(row.at("equal"), "yes") << row;
  EXPECT_EQ(row.at("mae"), 0) << row;
  EXPECT_EQ(row.at("max"), 0) << row;
  EXPECT_EQ(row.at("ssim"), 1) << row;
  EXPECT_TRUE(row.at("psnr").is_null()) << "JSON has no infinity: " << row;
}

void expect_different_videos(const Json& row) {
  EXPECT_EQ(row.at("equal"), "no") << row;
  EXPECT_GT(row.at("mae").get<double>(), 0) << row;
  EXPECT_GE(row.at("max").get<double>(), 1) << row;
  EXPECT_LT(row.at("ssim").get<double>(), 1) << row;
  EXPECT_GT(row.at("psnr").get<double>(), 0) << row;
}

const Names on_a_cpu{"baseline", "vae-bf16", "fp8-ffn", "fp8-linear", "fp8", "step-cache", "together"};

TEST_F(BenchModes, EachToggleIsMeasuredByItselfAndAllTogether) {
  const Json all = json_of({"clip", "--mode", "each", "--step-cache", "cache.json"});
  const Json &results = all.at("results"), &rows = all.at("comparison");
  EXPECT_EQ(modes_of(results), on_a_cpu);
  EXPECT_EQ(modes_of(rows), on_a_cpu);
  for (const Json& result : results) {
    const std::string mode = result.at("mode");
    const Json &settings = result.at("settings"), &row = row_of(rows, mode);
    const bool all_of_them = mode == "together", caches = mode == "step-cache" || all_of_them;
    EXPECT_EQ(settings.at("precision"), all_of_them ? "fp8" : mode.starts_with("fp8") ? mode : "exact");
    EXPECT_EQ(settings.contains("step_cache"), caches) << mode;
    EXPECT_EQ(settings.at("placement"), all_of_them ? "resident" : "swap") << mode;
    EXPECT_EQ(row.at("forwards"), caches ? 4 : 8) << mode;
    EXPECT_EQ(row.at("seconds"), result.at("seconds")) << mode;
    EXPECT_DOUBLE_EQ(row.at("speedup"), results.at(0).at("seconds").get<double>() / row.at("seconds").get<double>());
    EXPECT_TRUE(row.at("peak_gib").is_null()) << "a CPU's memory is not counted";
    if (mode == "baseline")
      expect_equal_videos(row);
    else
      expect_different_videos(row);
  }
  EXPECT_FALSE(all.contains("speedup")) << "it is of two modes";
}

TEST_F(BenchModes, AToggleThatIsImpossibleHereIsLeftOutWithTheReason) {
  const Json left_out = json_of({"clip", "--mode", "each"}).at("left_out");
  EXPECT_EQ(modes_of(left_out), (Names{"attention", "placement", "tf32", "cuda-graphs", "step-cache"}));
  const auto reason = [&](const char* mode) { return row_of(left_out, mode).at("why").get<std::string>(); };
  EXPECT_TRUE(reason("attention").starts_with("--attention fa3: it needs a Hopper GPU")) << reason("attention");
  EXPECT_TRUE(reason("cuda-graphs").starts_with("--cuda-graphs on: this run computes on a CPU"));
  EXPECT_TRUE(reason("step-cache").starts_with("no step cache table for this model")) << reason("step-cache");
}

TEST_F(BenchModes, AStepCacheThatSavesNothingIsLeftOut) {
  const auto reason = [&](const Names& flags) {
    Names arguments{"clip", "--mode", "each"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    const Json all = json_of(arguments);
    EXPECT_EQ(modes_of(all.at("results")), (Names{"baseline", "vae-bf16", "fp8-ffn", "fp8-linear", "fp8", "together"}));
    return row_of(all.at("left_out"), "step-cache").at("why").get<std::string>();
  };
  EXPECT_EQ(reason({"--step-cache", "cache.json", "--steps", "1"}), "it saves no forward of this clip (--steps 1)");
  EXPECT_NE(reason({"--preset", "lightning"}).find("step_cache and preset lightning cannot go together"),
            std::string::npos);
  EXPECT_EQ(reason({"--step-cache", "off"}), "--step-cache off was given");
}

TEST_F(BenchModes, AGuidanceIntervalThatIsGivenIsAToggle) {
  const Json rows =
      json_of({"clip", "--mode", "each", "--step-cache", "off", "--guidance-interval", "2,2"}).at("comparison");
  EXPECT_EQ(modes_of(rows),
            (Names{"baseline", "vae-bf16", "fp8-ffn", "fp8-linear", "fp8", "guidance-interval", "together"}));
  EXPECT_EQ(row_of(rows, "baseline").at("forwards"), 8);
  EXPECT_EQ(row_of(rows, "guidance-interval").at("forwards"), 5) << "of four steps one is guided";
  EXPECT_EQ(row_of(rows, "together").at("forwards"), 5);
}

TEST_F(BenchModes, EachCanStartFromAnotherPrecision) {
  const Json results =
      json_of({"clip", "--mode", "each", "--precision", "reference", "--fp8-exact-blocks", "0"}).at("results");
  const Json& baseline = row_of(results, "baseline").at("settings");
  EXPECT_EQ(baseline.at("precision"), "reference");
  EXPECT_FALSE(baseline.contains("exact_blocks")) << "nothing there is computed from 8-bit numbers";
  EXPECT_EQ(row_of(results, "fp8").at("settings").at("exact_blocks"), "0");
}

TEST_F(BenchModes, BothAreComparedToo) {
  const Json all = json_of({"clip", "--mode", "both", "--guidance-interval", "2,2"});
  const Json& rows = all.at("comparison");
  EXPECT_EQ(modes_of(rows), (Names{"baseline", "optimized"}));
  expect_equal_videos(rows.at(0));
  expect_different_videos(rows.at(1));
  EXPECT_EQ(rows.at(1).at("speedup"), all.at("speedup"));
  EXPECT_FALSE(all.contains("left_out"));
  EXPECT_FALSE(json_of({"forward", "--mode", "both"}).contains("comparison"));
  EXPECT_FALSE(json_of({"clip", "--mode", "baseline"}).contains("comparison"));
}

TEST_F(BenchModes, KeepTheirVideosInTheOutputFolder) {
  const ProgramResult outcome = bench(
      {"clip", "--mode", "each", "--step-cache", "cache.json", "--codec", "y4m", "--output", "clips", "--runs", "2"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  Names expected;
  for (const std::string& mode : on_a_cpu)
    for (const char* end : {"-1.y4m", "-2.y4m"}) expected.push_back(mode + end);
  std::ranges::sort(expected);
  EXPECT_EQ(files_below(folder_ / "clips"), expected);
  EXPECT_NE(outcome.out.find("(encoded in y4m; --codec ffv1 loses nothing)"), std::string::npos) << outcome.out;
  const std::string one = read_file(folder_ / "clips/baseline-1.y4m"), other = read_file(folder_ / "clips/fp8-1.y4m");
  EXPECT_NE(one, other);
}

TEST_F(BenchModes, ThatCannotBeMeasuredAreRefused) {
  expect_refused({"forward", "--mode", "each"}, "--mode each: bench forward measures no whole clips");
  expect_refused({"clip", "--mode", "each", "--precision", "fp8-ffn"},
                 "--precision fp8-ffn: --mode each measures it as one of its modes");
  expect_refused({"clip", "--mode", "each", "--ranks", "2"}, "bench clip measures one process");
}

/// The baseline has no step cache, so its clip is there when the other mode is refused.
TEST_F(BenchModes, LeaveNoVideosBehindWhenOneOfThemFails) {
  expect_refused({"clip", "--mode", "both", "--step-cache", "magcache"}, "no step cache table for this model");
}

}  // namespace
}  // namespace wf
