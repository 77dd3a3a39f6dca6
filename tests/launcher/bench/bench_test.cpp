// tests/launcher/bench/bench_test.cpp: wanfarm bench: every figure is there, and those that follow from others are
// right.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

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

/// Lines of one source: a plain read, and loads from disk and page cache.
void expect_compared_with_a_plain_read(const Json& lines, std::size_t first, double whole) {
  const double raw = lines.at(first).at("seconds");
  EXPECT_TRUE(lines.at(first).at("speedup").is_null());
  for (std::size_t i = first; i < first + 3; ++i) {
    const Json& line = lines.at(i);
    const double seconds = line.at("seconds");
    EXPECT_GT(seconds, 0);
    EXPECT_EQ(line.at("gb"), lines.at(first).at("gb"));
    EXPECT_DOUBLE_EQ(line.at("gb_per_s"), line.at("gb").get<double>() / seconds);
    EXPECT_DOUBLE_EQ(line.at("of_raw"), raw / seconds);
    if (i > first) {
      EXPECT_DOUBLE_EQ(line.at("speedup"), whole / seconds);
    }
  }
}

TEST_F(BenchVerb, LoadingIsComparedWithAPlainReadOfTheDisk) {
  const Json lines = result({"load", "--precision", "exact"}).at("load");
  ASSERT_EQ(lines.size(), 3u);
  expect_compared_with_a_plain_read(lines, 0, lines[1].at("seconds"));
}

TEST_F(BenchVerb, LoadingFromTheConvertedCopyIsMeasuredWhereThereIsACache) {
  const Json lines = result({"load", "--precision", "exact", "--weights-cache", "cache"}).at("load");
  ASSERT_EQ(lines.size(), 6u);
  for (const std::size_t first : {0, 3}) expect_compared_with_a_plain_read(lines, first, lines[1].at("seconds"));
  EXPECT_LT(lines[3].at("gb").get<double>(), 0.75 * lines[0].at("gb").get<double>()) << "bf16 in place of f32";
  EXPECT_EQ(result({"load", "--precision", "reference", "--weights-cache", "cache"}).at("load").size(), 3u)
      << "a copy would be as large as the file";
}

using Names = std::vector<std::string>;

/// The kernels of a report, each named once though it may have several shapes.
Names kernels_of(const Json& report) {
  Names names;
  for (const Json& line : report.at("kernels"))
    if (names.empty() || names.back() != line.at("kernel").get<std::string>()) names.push_back(line.at("kernel"));
  return names;
}

/// Kernels in the order of the table.
const Names in_every_precision{"modulated_norm",  "affine_norm", "add_modulated_norm",
                               "add_affine_norm", "rms_norm",    "write_heads",
                               "add_gated",       "gelu",        "widen"};
const Names rounding_rows{"modulated_norm_fp8",  "affine_norm_fp8", "add_modulated_norm_fp8",
                          "add_affine_norm_fp8", "quantise_rows",   "gelu_fp8"};

Names joined(std::initializer_list<Names> parts) {
  Names all;
  for (const Names& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

TEST_F(BenchVerb, KernelsAreThoseOfThePrecision) {
  const auto of = [&](const char* precision) { return kernels_of(result({"kernels", "--precision", precision})); };
  const Names exact = joined({in_every_precision, {"linear", "biased_attention", "self_attention math"}});
  EXPECT_EQ(of("reference"), exact);
  EXPECT_EQ(of("exact"), exact);
  EXPECT_EQ(of("fp8-ffn"), joined({in_every_precision,
                                   rounding_rows,
                                   {"linear", "scaled_product", "biased_attention", "self_attention math"}}));
  EXPECT_EQ(of("fp8"), joined({in_every_precision,
                               rounding_rows,
                               {"quantise_heads", "quantise_projection", "add_mean", "linear", "scaled_product",
                                "biased_attention", "self_attention math", "self_attention math-fp8"}}));
}

/// The first line of a kernel.
const Json& line_of(const Json& report, const std::string& kernel) {
  for (const Json& line : report.at("kernels"))
    if (line.at("kernel") == kernel) return line;
  throw std::runtime_error("no line for " + kernel);
}

/// Of the fixture's clip, 2 x 2 x 3 tokens, and the model's dim.
constexpr double tokens = 12, channels = 96;

TEST_F(BenchVerb, AKernelsTrafficIsCountedByHand) {
  const auto bytes = [](const Json& report, const std::string& kernel) {
    return line_of(report, kernel).at("gb").get<double>() * 1e9 / (tokens * channels);
  };
  const Json rounded = result({"kernels", "--precision", "fp8"}),
             wide = result({"kernels", "--precision", "reference"});
  EXPECT_DOUBLE_EQ(bytes(rounded, "modulated_norm"), 4 + 2);
  EXPECT_DOUBLE_EQ(bytes(rounded, "add_modulated_norm"), 4 + 2 + 4 + 2) << "stream and branch in, sum and norm out";
  EXPECT_DOUBLE_EQ(bytes(rounded, "add_affine_norm_fp8"), 4 + 2 + 4 + 1);
  EXPECT_DOUBLE_EQ(bytes(rounded, "write_heads"), 3 * (2 + 2));
  EXPECT_DOUBLE_EQ(bytes(rounded, "quantise_heads"), 3 * (2 + 2 + 1)) << "q, k and v are read twice";
  EXPECT_DOUBLE_EQ(bytes(rounded, "quantise_projection"), 3 * (2 + 1) + 3 * 2)
      << "of few rows k is read twice, v three times";
  EXPECT_DOUBLE_EQ(bytes(rounded, "add_mean"), 2 + 2);
  EXPECT_DOUBLE_EQ(bytes(rounded, "linear"), 2 * (1 + 3 * channels / tokens + 3)) << "rows, matrix, result";
  EXPECT_DOUBLE_EQ(bytes(rounded, "scaled_product"), 1 + 3 * channels / tokens + 2 * 3);
  EXPECT_DOUBLE_EQ(bytes(rounded, "self_attention math-fp8"), 3 + 2) << "q, k and v in 8 bits";
  EXPECT_DOUBLE_EQ(bytes(wide, "add_modulated_norm"), 4 * 4);
  EXPECT_DOUBLE_EQ(bytes(wide, "gelu"), 2 * (4 + 4)) << "the feed-forward network is twice as wide";
}

TEST_F(BenchVerb, AKernelIsComparedWithTheRateOfItsOwnKind) {
  const Json report = result({"kernels", "--precision", "fp8"});
  const Json& ceilings = report.at("ceilings");
  ASSERT_EQ(ceilings.size(), 3u) << "products, a copy, and products of 8-bit numbers";
  const auto percent = [&](const Json& line, const char* rate, std::size_t ceiling) {
    return 100 * line.at(rate).get<double>() / ceilings.at(ceiling).at("value").get<double>();
  };
  for (const Json& line : report.at("kernels")) {
    EXPECT_GT(line.at("median_ms").get<double>(), 0) << line;
    EXPECT_GT(line.at("copy_percent").get<double>(), 0) << line;
  }
  const auto compared = [&](const char* kernel, std::size_t ceiling) {
    const Json& line = line_of(report, kernel);
    EXPECT_NEAR(line.at("product_percent"), percent(line, "tflop_per_s", ceiling), 1e-9) << line;
  };
  compared("linear", 0);
  compared("self_attention math", 0);
  compared("scaled_product", 2);
  compared("self_attention math-fp8", 2);
  const Json& norm = line_of(report, "modulated_norm_fp8");
  EXPECT_NEAR(norm.at("copy_percent"), percent(norm, "gb_per_s", 1), 1e-9) << norm;
}

TEST_F(BenchVerb, ProductsAreTheFourOfABlock) {
  const Json report = result({"kernels"});
  Names shapes;
  for (const Json& line : report.at("kernels"))
    if (line.at("kernel") == "linear") shapes.push_back(line.at("shape"));
  EXPECT_DOUBLE_EQ(line_of(report, "linear").at("tflop").get<double>() * 1e12, 2 * tokens * channels * 3 * channels);
  EXPECT_EQ(shapes, (Names{"288x96", "96x96", "192x96", "96x192"}));
}

/// Along an exact clip of both experts: each precision against f32, each kind of layer, each block.
TEST_F(BenchVerb, ErrorsOf8BitNumbersAreStatedByStepLayerAndBlock) {
  const Json errors = result({"fp8", "--steps", "6", "--shift", "5"});
  EXPECT_EQ(errors.at("rule").at(0).at("flags"), "--fp8-exact-blocks none --fp8-exact-steps auto")
      << "two blocks: none is more than twice their mean";
  std::set<std::string> experts;
  for (const Json& line : errors.at("forwards")) {
    experts.insert(line.at("expert"));
    EXPECT_GT(line.at("exact").get<double>(), 0);
    for (const char* precision : {"fp8_ffn", "fp8_linear", "fp8"})
      EXPECT_GT(line.at(precision).get<double>(), line.at("exact").get<double>()) << precision << line;
    EXPECT_EQ(line.at("fp8_rule"), line.at("fp8")) << "no block is exact";
  }
  EXPECT_EQ(experts, (std::set<std::string>{"high", "low"}));
  EXPECT_EQ(errors.at("layers").size(), 7u) << "six matrices and self-attention";
  EXPECT_EQ(errors.at("blocks").size(), 2u);
  for (const char* table : {"layers", "blocks"})
    for (const Json& line : errors.at(table))
      for (const char* expert : {"high", "low"}) EXPECT_GT(line.at(expert).get<double>(), 0) << line;
}

TEST_F(BenchVerb, ErrorsWithAGivenRuleLieBetweenThoseOfExactAndOfFp8) {
  const std::vector<std::string> short_clip{"fp8", "--steps", "6", "--shift", "5", "--fp8-exact-blocks"};
  const auto forwards = [&](const std::string& blocks) {
    std::vector<std::string> arguments = short_clip;
    arguments.push_back(blocks);
    return result(arguments).at("forwards");
  };
  for (const Json& line : forwards("0,1"))
    EXPECT_EQ(line.at("fp8_rule"), line.at("exact")) << "all blocks of the model are exact: " << line;
  for (const Json& line : forwards("low:1")) {
    const double exact = line.at("exact"), fp8 = line.at("fp8"), rule = line.at("fp8_rule");
    if (line.at("expert") == "high")
      EXPECT_EQ(rule, fp8) << line;
    else
      EXPECT_TRUE(exact < rule && rule < fp8) << line;
  }
}

/// Two processes can measure an expert each: what they state is what one states of both.
TEST_F(BenchVerb, ErrorsOfOneExpertAreThoseOfBoth) {
  const std::vector<std::string> short_clip{"fp8", "--steps", "6", "--shift", "5"};
  const Json both = result(short_clip);
  Json forwards = Json::array();
  for (const std::string expert : {"high", "low"}) {
    std::vector<std::string> arguments = short_clip;
    arguments.insert(arguments.end(), {"--expert", expert});
    const Json one = result(arguments);
    for (const Json& line : one.at("forwards")) forwards.push_back(line);
    for (const char* table : {"layers", "blocks"})
      for (std::size_t i = 0; i < both.at(table).size(); ++i) {
        EXPECT_EQ(one.at(table).at(i).size(), 2u) << "no column of the other expert";
        EXPECT_EQ(one.at(table).at(i).at(expert), both.at(table).at(i).at(expert));
      }
  }
  EXPECT_EQ(forwards, both.at("forwards"));
  EXPECT_EQ(both.at("forwards").size(), 6u);
}

TEST_F(BenchVerb, AnExpertWithoutStepsOrOfAnotherMeasurementIsRefused) {
  const ProgramResult no_steps = bench({"fp8", "--steps", "1", "--expert", "low"}),
                      other = bench({"vae", "--expert", "low"});
  for (const ProgramResult& outcome : {no_steps, other}) EXPECT_EQ(outcome.code, 2) << outcome.err;
  EXPECT_NE(no_steps.err.find("--expert low: a clip of 1 step has none"), std::string::npos) << no_steps.err;
  EXPECT_NE(other.err.find("bench vae takes none"), std::string::npos) << other.err;
}

TEST_F(BenchVerb, TheF32ReferenceMayBeInTf32AndSaysSo) {
  const auto note = [&](std::vector<std::string> flags) {
    std::vector<std::string> arguments{"fp8", "--steps", "2", "--shift", "5"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    return bench(arguments).out;
  };
  EXPECT_NE(note({"--tf32"}).find("against f32, whose products alone are in TF32 (--tf32)"), std::string::npos);
  EXPECT_EQ(note({}).find("TF32"), std::string::npos);
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

TEST_F(BenchVerb, AClipsForwardsAreThoseThatItComputes) {
  const std::vector<std::string> clip{"clip", "--steps", "4", "--shift", "5", "--num_runs", "1"};
  const auto forwards = [](const Json& stages) {
    return stages.at(1).at("forwards").get<double>() + stages.at(2).at("forwards").get<double>();
  };
  EXPECT_EQ(forwards(result(clip).at("stages")), 8);
  const Json saving = result(joined({clip, {"--guidance-interval", "2,2"}})).at("stages");
  EXPECT_EQ(forwards(saving), 5) << "of four steps one is guided";
  EXPECT_DOUBLE_EQ(saving.at(1).at("first_s").get<double>(),
                   saving.at(1).at("forwards").get<double>() * saving.at(1).at("s_per_forward").get<double>());
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
