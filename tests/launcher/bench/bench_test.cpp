// tests/launcher/bench/bench_test.cpp: wanfarm bench: every figure is there, and those that follow from others are
// right.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/table.hpp"
#include "tests/launcher/program.hpp"

namespace wf {
namespace {

using Json = nlohmann::json;

class BenchVerb : public ::testing::Test {
 protected:
  ProgramResult bench(const std::vector<std::string>& arguments) {
    std::vector<std::string> all{
        "bench",  "--model", golden_model_folder(), "--size", "32x48",    "--frames", "5",
        "--runs", "2",       "--threads",           "1",      "--device", "cpu",      "--quiet"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return run(folder_.path(), all);
  }
  /// The only result in the output of `--json`.
  Json result(std::vector<std::string> arguments) {
    arguments.emplace_back("--json");
    const ProgramResult outcome = bench(arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.code == 0 ? Json::parse(outcome.out).at("results").at(0) : Json();
  }

  TempFolder folder_;
};

TEST_F(BenchVerb, AForwardIsComparedWithItsFloor) {
  const Json forward = result({"forward"});
  const Json& line = forward.at("forward").at(0);
  EXPECT_GT(line.at("median_s").get<double>(), 0);
  EXPECT_GE(line.at("median_s"), line.at("least_s"));
  EXPECT_DOUBLE_EQ(line.at("ratio"), line.at("median_s").get<double>() / line.at("floor_s").get<double>());
  EXPECT_DOUBLE_EQ(line.at("tflop_per_s"), line.at("tflop").get<double>() / line.at("median_s").get<double>());
  EXPECT_TRUE(line.at("peak_gib").is_null()) << "a CPU's memory is not counted";
  for (const Json& ceiling : forward.at("ceilings")) EXPECT_GT(ceiling.at("value").get<double>(), 0) << ceiling;
}

TEST_F(BenchVerb, OperationsAddUpToTheTimeOfTheForward) {
  const Json forward = result({"forward"});
  double share = 0;
  bool qkv = false;
  for (const Json& line : forward.at("operations")) {
    share += line.at("share").get<double>();
    qkv = qkv || (line.at("operation") == "linear" && line.at("shape") == "288x96" && line.at("calls") == 2);
  }
  EXPECT_NEAR(share, 100, 1e-6);
  EXPECT_TRUE(qkv) << "q, k and v of both blocks: " << forward.at("operations").dump(1);
}

TEST_F(BenchVerb, BatchedGuidanceDoublesTheArithmeticOfAForward) {
  const double one = result({"forward"}).at("forward").at(0).at("tflop");
  EXPECT_DOUBLE_EQ(result({"forward", "--guidance-mode", "batched"}).at("forward").at(0).at("tflop"), 2 * one);
}

TEST_F(BenchVerb, DecodingReportsFramesASecond) {
  const Json line = result({"vae"}).at("vae").at(0);
  EXPECT_DOUBLE_EQ(line.at("frames_per_s"), 5 / line.at("median_s").get<double>());
  EXPECT_GT(line.at("floor_s").get<double>(), 0);
}

TEST_F(BenchVerb, TextsAreMeasuredUpToTheLongest) {
  const Json texts = result({"text"}).at("text");
  ASSERT_EQ(texts.size(), 3u);
  EXPECT_EQ(texts.at(2).at("tokens"), 512);
  EXPECT_LT(texts.at(0).at("tokens"), 512);
  for (const Json& text : texts) EXPECT_GT(text.at("median_ms").get<double>(), 0) << text;
}

TEST_F(BenchVerb, AClipIsMeasuredByStageAndLeavesNoFile) {
  const Json stages = result({"clip", "--steps", "2"}).at("stages");
  std::vector<std::string> names;
  double first = 0;
  for (const Json& line : stages) {
    names.push_back(line.at("stage"));
    if (names.size() <= 5) first += line.at("first_s").get<double>();
  }
  EXPECT_EQ(names, (std::vector<std::string>{"text", "high", "low", "decode", "write", "whole clip", "loading"}));
  EXPECT_NEAR(stages.at(5).at("first_s"), first, 1e-9);
  EXPECT_TRUE(files_below(folder_.path()).empty());
}

TEST_F(BenchVerb, OneClipAloneHasNoWarmTimesAndIsKeptInTheOutputFolder) {
  const Json stages = result({"clip", "--steps", "1", "--output", "clips", "--num_runs", "1"}).at("stages");
  EXPECT_EQ(files_below(folder_ / "clips").size(), 1u);
  ASSERT_EQ(stages.size(), 6u) << "no line for loading, which one clip cannot show";
  EXPECT_TRUE(stages.at(5).at("next_s").is_null());
}

TEST_F(BenchVerb, BothModesGiveASpeedUpAndAFile) {
  const ProgramResult outcome = bench({"forward", "--mode", "both", "--save_results", "results.json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("speed-up: "), std::string::npos) << outcome.out;
  const Json saved = Json::parse(read_file(folder_ / "results.json"));
  ASSERT_EQ(saved.at("results").size(), 2u);
  const Json &baseline = saved.at("results").at(0), &optimized = saved.at("results").at(1);
  EXPECT_EQ(baseline.at("mode"), "baseline");
  EXPECT_EQ(baseline.at("settings").at("attention"), "math");
  EXPECT_FALSE(baseline.at("settings").at("tf32"));
  EXPECT_TRUE(optimized.at("settings").at("tf32"));
  EXPECT_DOUBLE_EQ(saved.at("speedup"), baseline.at("seconds").get<double>() / optimized.at("seconds").get<double>());
  EXPECT_NE(saved.at("command").get<std::string>().find("forward --mode both"), std::string::npos);
}

TEST_F(BenchVerb, CalibrateWritesTheFiguresThatPlansThenUse) {
  const std::vector<std::string> cache{"WANFARM_CACHE=" + (folder_ / "cache").string()};
  const auto calibrate = [&] {
    return run(folder_.path(),
               {"bench", "calibrate", "--model", golden_model_folder(), "--device", "cpu", "--runs", "1", "--quiet"},
               {.environment = cache});
  };
  write_file(folder_ / "list.yaml", small_list(2));
  const auto plan = [&](std::vector<std::string> flags = {}) {
    flags.insert(flags.begin(), {"plan", "list.yaml", "--model", golden_model_folder(), "--gpu", "cpu"});
    return run(folder_.path(), flags, {.environment = cache});
  };
  EXPECT_NE(plan().out.find("figures: estimated"), std::string::npos);
  const ProgramResult outcome = calibrate();
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Path file = folder_ / "cache/calibration.json";
  const Json figures = Json::parse(read_file(file)).at("gpus").at("cpu");
  for (const char* key : {"token_seconds", "pair_seconds", "decode_seconds", "text_seconds", "memory_rate", "threads"})
    EXPECT_GT(figures.at(key).get<double>(), 0) << key;
  EXPECT_FALSE(figures.contains("world_rate")) << "one process cannot measure it";
  EXPECT_NE(plan().out.find("figures: calibrated by"), std::string::npos) << plan().out;
  write_file(folder_ / "own.json", R"({"wanfarm_calibration": 1, "gpus": {"cpu": {"source": "the lab's"}}})");
  EXPECT_NE(plan({"--calibration", "own.json"}).out.find("figures: the lab's"), std::string::npos);
  write_file(file, "[]");
  for (const ProgramResult& broken : {plan(), calibrate()}) {
    EXPECT_EQ(broken.code, 2);
    EXPECT_NE(broken.err.find(file.string()), std::string::npos) << broken.err;
  }
}

TEST_F(BenchVerb, UnknownMeasurementsModesAndModelsAreRefused) {
  EXPECT_EQ(bench({"everything"}).code, 2);
  EXPECT_EQ(bench({"forward", "--mode", "fast"}).code, 2);
  EXPECT_EQ(run(folder_.path(), {"bench", "vae", "--model", "nowhere", "--device", "cpu"}).code, 3);
}

TEST(Table, AlignsNumbersAndShowsMissingValuesAsADash) {
  const Table table{"t", {{"a", "what"}, {"b", "time s", 2}}, {{"one", 1.0}, {"another", Cell()}, {"big", 12345.678}}};
  EXPECT_EQ(to_text(table),
            "what       time s\n"
            "one          1.00\n"
            "another         -\n"
            "big      12345.68\n");
  EXPECT_EQ(to_json(table).dump(), R"([{"a":"one","b":1.0},{"a":"another","b":null},{"a":"big","b":12345.678}])");
}

}  // namespace
}  // namespace wf
