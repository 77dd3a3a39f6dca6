// tests/launcher/run/load_behind_test.cpp: the low-noise expert is loaded while the first clip's high-noise steps are
// computed, as the trace of a run tells by the order in which things begin.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <limits>

#include "tests/launcher/run/rank_runs.hpp"

namespace wf {
namespace {

/// When the first span of these begins, in microseconds; the largest number if there is none.
class Trace {
 public:
  explicit Trace(const Path& file) : events_(Json::parse(read_file(file)).at("traceEvents")) {}

  double first(const std::string& category, const std::string& name) const {
    double begin = std::numeric_limits<double>::infinity();
    for (const Json& event : events_)
      if (event.value("cat", "") == category && event.at("name") == name)
        begin = std::min(begin, event.at("ts").get<double>());
    return begin;
  }
  double loading(const std::string& expert) const { return first("load", expert + "_noise_model"); }

 private:
  Json events_;
};

/// Traces a run whose steps take so long that the expert could be loaded several times meanwhile.
Trace trace_of(const TempFolder& folder, int ranks, Flags more) {
  write_file(folder / "list.yaml", small_list(ranks, /*steps=*/6));
  more.insert(more.end(), {"--trace", "trace.json", "--ulysses", "1", "--ring", "1", "--cfg-parallel", "1"});
  const ProgramResult outcome =
      run(folder.path(), render_flags(ranks, more), {.environment = {"WANFARM_FAULT=slow@high"}});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  return Trace(folder / "trace.json");
}

void expect_loaded_behind(int ranks, const std::string& mode) {
  const TempFolder folder;
  const Trace trace = trace_of(folder, ranks, {"--placement", mode});
  EXPECT_LT(trace.loading("high"), trace.first("step", "high")) << mode;
  EXPECT_LT(trace.first("step", "high"), trace.loading("low")) << mode << ": it was loaded before the first clip";
  EXPECT_LT(trace.loading("low"), trace.first("stage", "low")) << mode << ": it was loaded when it was needed";
}

TEST(LoadedBehind, IsTheLowNoiseExpertOfARankAlone) {
  for (const std::string mode : {"resident", "swap", "stream"}) expect_loaded_behind(1, mode);
}

TEST(LoadedBehind, IsTheLowNoiseExpertOfRanksOfANode) {
  for (const std::string mode : {"resident", "swap", "stream"}) expect_loaded_behind(2, mode);
}

TEST(LoadedBehind, ARunThatIsStoppedMeanwhileGoesOnLater) {
  const TempFolder folder, at_once;
  const std::string list = small_list(1, /*steps=*/6);
  for (const TempFolder* each : {&folder, &at_once}) write_file(*each / "list.yaml", list);
  const Flags flags = render_flags(1, {"--log-level", "trace"});
  Program program(folder.path(), flags, {.environment = {"WANFARM_FAULT=slow@load,slow@high"}});
  ASSERT_TRUE(wait_for_a_step(program, 0));
  program.signal(SIGUSR1);
  EXPECT_EQ(program.wait().code, 75);
  for (const TempFolder* each : {&folder, &at_once}) EXPECT_EQ(run(each->path(), flags).code, 0);
  EXPECT_EQ(of_sidecars(folder.path(), "frames_sha256"), of_sidecars(at_once.path(), "frames_sha256"));
}

}  // namespace
}  // namespace wf
