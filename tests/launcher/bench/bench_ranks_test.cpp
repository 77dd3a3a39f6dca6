// tests/launcher/bench/bench_ranks_test.cpp: wanfarm bench with --ranks: collectives, a forward that ranks share, and a
// list compared with its plan.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/trace.hpp"
#include "launcher/bench/list.hpp"
#include "launcher/planner/predict.hpp"
#include "tests/launcher/program.hpp"
#include "tests/launcher/run/published_model.hpp"

namespace wf {
namespace {

using Json = nlohmann::json;
using Arguments = std::vector<std::string>;

class BenchRanks : public ::testing::Test {
 protected:
  ProgramResult bench(Arguments arguments, const Surroundings& surroundings = {}) {
    arguments.insert(arguments.begin(), "bench");
    for (const char* word : {"--runs", "2", "--threads", "1", "--device", "cpu", "--quiet"})
      arguments.emplace_back(word);
    return run(folder_.path(), arguments, surroundings);
  }
  ProgramResult forward(const Arguments& flags, const Path& model = golden_model_folder()) {
    Arguments arguments{"forward", "--model", model.string(), "--size", "64x96", "--frames", "5"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    return bench(arguments);
  }
  /// The only result in the output of `--json`.
  static Json result(const ProgramResult& outcome) {
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "");
    return outcome.code == 0 ? Json::parse(outcome.out).at("results").at(0) : Json();
  }
  void expect_refused(const ProgramResult& outcome, int code, const std::string& text) {
    EXPECT_EQ(outcome.code, code) << outcome.err;
    const std::size_t first = outcome.err.find(text);
    EXPECT_NE(first, std::string::npos) << outcome.err;
    EXPECT_EQ(outcome.err.find(text, first + 1), std::string::npos) << "more than one rank prints it\n" << outcome.err;
    EXPECT_EQ(outcome.out, "");
  }

  TempFolder folder_;
};

TEST_F(BenchRanks, CommCountsTheBytesThatARankSendsToOthers) {
  const Json comm = result(bench({"comm", "--ranks", "2", "--json"}));
  ASSERT_EQ(comm.at("comm").size(), 12u) << "four collectives in three sizes";
  double best_exchange = 0;
  for (const Json& line : comm.at("comm")) {
    const std::string operation = line.at("operation");
    const double share = operation == "all_to_all" || operation == "all_gather" ? 0.5 : 1;  // half is the rank's own
    const double rate = line.at("gb_per_s");
    EXPECT_NEAR(rate, share * line.at("bytes").get<double>() / line.at("us").get<double>() / 1e3, 1e-6 * rate) << line;
    if (operation == "exchange") best_exchange = std::max(best_exchange, rate);
  }
  EXPECT_DOUBLE_EQ(comm.at("peak").at(0).at("gb_per_s"), best_exchange);
  for (const Json& line : comm.at("comm"))
    EXPECT_DOUBLE_EQ(line.at("peak_percent"), 100 * line.at("gb_per_s").get<double>() / best_exchange) << line;
  ASSERT_EQ(comm.at("latency").size(), 5u);
  for (const Json& line : comm.at("latency")) EXPECT_GT(line.at("us").get<double>(), 0) << line;
}

TEST_F(BenchRanks, ASharedForwardHasTheResultOfARankAlone) {
  const Json shared = result(forward({"--ranks", "2", "--json"}));
  const Json &alone = shared.at("forward").at(0), &together = shared.at("forward").at(1);
  const double one = alone.at("median_s"), all = together.at("median_s");
  EXPECT_GT(all, 0);
  EXPECT_EQ(together.at("ranks"), 2);
  EXPECT_DOUBLE_EQ(together.at("speedup"), one / all);
  EXPECT_DOUBLE_EQ(together.at("efficiency_percent"), 100 * one / (2 * all));
  const Json& difference = shared.at("difference").at(0);
  EXPECT_LT(difference.at("largest").get<double>(), 1e-5 * difference.at("largest_value").get<double>());
  EXPECT_GT(difference.at("largest_value").get<double>(), 0);
  EXPECT_EQ(shared.at("settings").at("placement"), "ulysses 2");
  EXPECT_NE(shared.at("measured").get<std::string>().find("without --ulysses it takes"), std::string::npos);
}

TEST_F(BenchRanks, DividedRowsAreDecodedToTheFramesOfARankAlone) {
  const Arguments flags{"vae", "--model", golden_model_folder(), "--size", "64x96", "--frames", "5"};
  Arguments on_three = flags, on_thirteen = flags;
  on_three.insert(on_three.end(), {"--ranks", "3", "--json"});
  const Json shared = result(bench(on_three));
  const Json &alone = shared.at("vae").at(0), &together = shared.at("vae").at(1);
  const double one = alone.at("median_s"), all = together.at("median_s");
  EXPECT_DOUBLE_EQ(together.at("efficiency_percent"), 100 * one / (3 * all));
  EXPECT_LE(shared.at("difference").at(0).at("largest").get<double>(), 1);
  EXPECT_LT(shared.at("difference").at(0).at("percent").get<double>(), 0.1);
  on_thirteen.insert(on_thirteen.end(), {"--ranks", "13"});
  expect_refused(bench(on_thirteen), 2, "a clip of 96 rows is divided over at most 12 ranks");
}

/// Each guidance branch computes exactly what one rank alone computes.
TEST_F(BenchRanks, GuidanceBranchesGiveTheBitsOfARankAlone) {
  const Json branches = result(forward({"--ranks", "2", "--cfg-parallel", "2", "--json"}));
  EXPECT_EQ(branches.at("settings").at("placement"), "guidance 2");
  EXPECT_EQ(branches.at("difference").at(0).at("same_bits"), "yes");
}

/// The line of a table whose first cell is `name`.
Json line_of(const Json& table, const char* key, const std::string& name) {
  for (const Json& line : table)
    if (line.at(key) == name) return line;
  ADD_FAILURE() << "no " << name << " in " << table.dump(1);
  return {};
}

TEST_F(BenchRanks, AListIsComparedWithItsPlanAndLeavesNoFile) {
  write_file(folder_ / "list.yaml", small_list(3, /*steps=*/6));
  std::filesystem::create_directory(folder_ / "tmp");
  const Arguments flags{"list", "list.yaml",   "--model",  golden_model_folder(), "--ranks", "2",     "--shift",
                        "5",    "--placement", "pipeline", "--high-ranks",        "1",       "--json"};
  const Json list = result(bench(flags, {.environment = {"TMPDIR=" + (folder_ / "tmp").string()}}));
  EXPECT_NE(list.at("measured").get<std::string>().find("3 clips on 2 ranks: pipeline 1:1"), std::string::npos);
  const double seconds = line_of(list.at("list"), "figure", "from the first stage to the last file").at("measured");
  EXPECT_DOUBLE_EQ(line_of(list.at("list"), "figure", "clips an hour").at("measured"), 3 * 3600 / seconds);
  for (const char* pool : {"utilisation of pool high", "utilisation of pool low"}) {
    const Json use = line_of(list.at("list"), "figure", pool);
    for (const char* whose : {"measured", "planned"}) {
      EXPECT_GT(use.at(whose).get<double>(), 0) << use;
      EXPECT_LE(use.at(whose).get<double>(), 100) << use;
    }
    EXPECT_TRUE(use.at("difference_percent").is_number()) << use;
  }
  for (const char* stage : {"high", "low"}) {
    const Json line = line_of(list.at("stages"), "stage", stage);
    EXPECT_LT(line.at("s_per_step"), line.at("s_per_clip")) << line;
    EXPECT_TRUE(line.at("step_difference_percent").is_number()) << line;
  }
  ASSERT_EQ(list.at("ranks").size(), 2u);
  EXPECT_EQ(list.at("ranks").at(1).at("pool"), "low");
  EXPECT_GT(list.at("ranks").at(1).at("planned_gib").get<double>(), 0);
  EXPECT_TRUE(list.at("ranks").at(1).at("peak_gib").is_null()) << "a CPU's memory is not counted";
  EXPECT_TRUE(files_below(folder_ / "tmp").empty());
}

TEST_F(BenchRanks, AListOfOneRankIsRenderedAgainAndKeptInTheOutputFolder) {
  write_file(folder_ / "list.yaml", small_list(3));
  const Arguments flags{"list", "list.yaml", "--model", golden_model_folder(), "--output", "out", "--limit", "2"};
  for (int time = 0; time < 2; ++time) {
    const ProgramResult outcome = bench(flags);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_NE(outcome.out.find("2 clips on 1 rank: "), std::string::npos) << outcome.out;
    EXPECT_NE(outcome.out.find("utilisation of pool all"), std::string::npos) << outcome.out;
  }
  EXPECT_TRUE(std::filesystem::exists(folder_ / "out/clip-2.json"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out/clip-3.json"));
}

TEST_F(BenchRanks, RefuseFlagsThatDoNotFitTogether) {
  expect_refused(bench({"text", "--ranks", "2"}), 2, "--ranks is for comm, forward, list and vae");
  expect_refused(bench({"comm"}), 2, "--ranks 2 or more");
  expect_refused(bench({"list"}), 2, "the prompt list is missing");
  expect_refused(bench({"comm", "list.yaml", "--ranks", "2"}), 2, "takes no list");
  expect_refused(bench({"comm", "--mode", "both", "--ranks", "2"}), 2, "has no modes");
  expect_refused(forward({"--ranks", "2", "--ulysses", "3"}), 2, "--ulysses 3 x --ring 1 takes 3 ranks");
  expect_refused(forward({"--ranks", "2"}, "nowhere"), 3, "nowhere: is not a whole");
}

TEST_F(BenchRanks, RefuseANumberOfRanksThatMpirunDidNotStart) {
  const Surroundings started{.environment = {"OMPI_COMM_WORLD_SIZE=3", "OMPI_COMM_WORLD_RANK=0"}};
  expect_refused(bench({"comm", "--ranks", "2"}, started), 2, "mpirun or srun has started 3");
}

// ---- Reading a trace and comparing it with a plan, without starting the program.

std::string span(const char* category, const char* name, int rank, double begin, double end,
                 const Json& arguments = Json::object()) {
  return nlohmann::ordered_json{{"ph", "X"},
                                {"cat", category},
                                {"name", name},
                                {"pid", rank},
                                {"tid", 0},
                                {"ts", 1e6 * begin},
                                {"dur", 1e6 * (end - begin)},
                                {"args", arguments}}
             .dump() +
         "\n";
}

TEST(Timeline, HasLoadingStagesAndBusySharesOfGroups) {
  const Groups groups{{{0, 1}, {2}}};
  const Timeline timeline = timeline_of(
      trace::join({span("load", "high.safetensors", 0, 0, 2), span("stage", "text", 0, 2, 4),
                   span("load", "umt5", 0, 2.5, 3.5), span("stage", "high", 0, 4, 8, {{"peak_bytes", "70"}}),
                   span("stage", "high", 1, 4, 8, {{"peak_bytes", "80"}}), span("step", "high", 0, 4, 5),
                   span("step", "high", 0, 5, 8), span("step", "high", 1, 5, 6), span("wait", "order", 2, 0, 8),
                   span("stage", "low", 2, 8, 10, {{"peak_bytes", "60"}}), span("stage", "decode", 2, 10, 11),
                   span("stage", "write", 2, 11, 12)}),
      groups);
  EXPECT_DOUBLE_EQ(timeline.loading, 2);
  EXPECT_DOUBLE_EQ(timeline.loading_in_stages, 1);
  EXPECT_DOUBLE_EQ(timeline.list, 10);
  EXPECT_DOUBLE_EQ(timeline.stage.at(Stage::text), 1) << "without loading";
  EXPECT_DOUBLE_EQ(timeline.stage.at(Stage::high), 4) << "only of the leader";
  EXPECT_DOUBLE_EQ(timeline.step.at(Stage::high), 2);
  EXPECT_FALSE(timeline.step.contains(Stage::low));
  EXPECT_DOUBLE_EQ(timeline.busy.at(0), 0.6);
  EXPECT_DOUBLE_EQ(timeline.busy.at(1), 0.3) << "writing is not counted: another thread does it";
  EXPECT_EQ(timeline.peak, (std::vector<std::uint64_t>{70, 80, 60}));
  EXPECT_THROW(timeline_of(trace::join({}), groups), Error);
}

/// A plan for six clips of the published model on two H200.
PlannedRun planned_pipeline() {
  PlannedRun run;
  run.request.hardware = equal_nodes(1, 2, 141ull << 30, gpu_figures("h200"));
  run.request.execution.precision = Precision::exact;
  run.request.execution.device = run.request.execution.text_device = at::Device(at::kCUDA, 0);
  run.request.model = published_model();
  run.request.choices.mode = PlacementMode::pipeline;
  run.request.jobs.assign(6, Job());
  run.plan = make_plan(run.request).winner().plan;
  run.hosts = {"one", "one"};
  return run;
}

/// The timeline of a run that goes exactly as planned.
Timeline as_planned(const PlannedRun& run) {
  const std::vector<PlannedShape> shapes = shapes_of(run.request.jobs);
  const Prediction predicted = predict(run.request, shapes, run.plan);
  const StageSeconds seconds =
      stage_seconds(run.request.hardware, run.request.model, run.plan, shapes.front(), run.request.execution);
  Timeline timeline;
  timeline.loading = predicted.start_seconds;
  timeline.list = predicted.makespan - predicted.start_seconds;
  for (const Stage stage : {Stage::text, Stage::high, Stage::low, Stage::decode})
    timeline.stage[stage] = seconds_in(seconds, stage);
  timeline.step = {{Stage::high, seconds.high / static_cast<double>(shapes.front().high_steps)},
                   {Stage::low, seconds.low / static_cast<double>(shapes.front().low_steps)}};
  for (const PoolUse& pool : predicted.use)
    timeline.busy.push_back(pool.utilisation * predicted.makespan / timeline.list);
  for (const RankMemory& rank : predicted.memory) timeline.peak.push_back(rank.total() - margin_bytes);
  return timeline;
}

TEST(ListReport, ARunAsPlannedHasNoDifferences) {
  const PlannedRun run = planned_pipeline();
  int compared = 0;
  const Report report = list_report(run, as_planned(run));
  for (const Table& table : report.tables) {
    for (const Json& line : Json(to_json(table))) {
      for (const auto& [key, value] : line.items()) {
        if (!key.ends_with("difference_percent") || !value.is_number()) continue;
        EXPECT_NEAR(value, 0, 1e-9) << line;
        ++compared;
      }
    }
  }
  EXPECT_EQ(compared, 5 + 4 + 2 + 2) << "figures of the list, of stages, of steps and of ranks";
}

TEST(ListReport, ARunThatTakesMoreTimeAndMemoryShowsByHowMuch) {
  const PlannedRun run = planned_pipeline();
  Timeline slow = as_planned(run);
  slow.list *= 2;
  slow.step[Stage::low] *= 1.1;
  slow.peak[1] = slow.peak[1] / 4 * 5;
  const std::vector<Table> tables = list_report(run, slow).tables;
  const Json list = to_json(tables[0]), stages = to_json(tables[1]), ranks = to_json(tables[2]);
  EXPECT_NEAR(line_of(list, "figure", "from the first stage to the last file").at("difference_percent"), 100, 1e-9);
  EXPECT_NEAR(line_of(list, "figure", "clips an hour").at("difference_percent"), -50, 1e-9);
  EXPECT_NEAR(line_of(stages, "stage", "low").at("step_difference_percent"), 10, 1e-9);
  EXPECT_NEAR(ranks.at(1).at("difference_percent"), 25, 1e-6);
}

}  // namespace
}  // namespace wf
