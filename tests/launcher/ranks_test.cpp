// tests/launcher/ranks_test.cpp: --ranks from outside, on a CPU: the same videos whatever the placement, one voice, and
// what becomes of a run when a rank is killed or hangs.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <thread>

#include "tests/launcher/program.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;
using Flags = std::vector<std::string>;
using Clock = std::chrono::steady_clock;

Flags render_flags(int ranks, const Flags& more) {
  Flags flags{"render", "list.yaml", "--model", golden_model_folder(), "--output", "out", "--threads", "1"};
  flags.insert(flags.end(), {"--device", "cpu", "--codec", "y4m", "--ranks", std::to_string(ranks)});
  flags.insert(flags.end(), more.begin(), more.end());
  return flags;
}

Outcome render(const TempFolder& folder, int ranks, const Flags& more = {}) {
  return run(folder.path(), render_flags(ranks, more));
}

/// What the finished clips' sidecars say under this key.
std::map<std::string, Json> of_sidecars(const Path& folder, const std::string& key) {
  std::map<std::string, Json> values;
  for (const std::string& file : files_below(folder / "out"))
    if (file.ends_with(".json") && !file.starts_with(".wanfarm"))
      values[file] = Json::parse(read_file(folder / "out" / file)).at(key);
  return values;
}

std::map<std::string, Json> latents_with(const std::string& list, int ranks, const Flags& more) {
  const TempFolder folder;
  write_file(folder / "list.yaml", list);
  const Outcome outcome = render(folder, ranks, more);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  return of_sidecars(folder.path(), "latents_sha256");
}

TEST(Ranks, EveryPlacementMakesTheSameLatents) {
  const std::string list = small_list(5, /*steps=*/6);
  const auto alone = latents_with(list, 1, {});
  ASSERT_EQ(alone.size(), 5u);
  for (const int ranks : {2, 3, 4}) {
    for (const std::string mode : {"resident", "pipeline", "phased", "swap"}) {
      Flags flags{"--placement", mode, "--ulysses", "1", "--ring", "1", "--cfg-parallel", "1"};
      EXPECT_EQ(latents_with(list, ranks, flags), alone) << mode << " on " << ranks;
    }
  }
  for (const std::string mode : {"phased", "swap"}) EXPECT_EQ(latents_with(list, 1, {"--placement", mode}), alone);
}

TEST(Ranks, GroupsOfTwoMakeTheSameLatentsInEveryPlacement) {
  const std::string list = small_list(3, /*steps=*/6);
  const Flags halves{"--ulysses", "2", "--cfg-parallel", "1"};
  const auto together = latents_with(list, 2, halves);
  for (const std::string mode : {"pipeline", "phased"}) {
    Flags flags = halves;
    flags.insert(flags.end(), {"--placement", mode});
    EXPECT_EQ(latents_with(list, 4, flags), together) << mode;
  }
}

/// Ranks that share what they read tell each other which file it is from.
TEST(Ranks, AModelNamedFromTheCurrentFolderIsFound) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(1));
  std::filesystem::create_directory_symlink(golden_model_folder(), folder / "model");
  const Outcome outcome = run(folder.path(), {"render", "list.yaml", "--model", "model", "--output", "out", "--threads",
                                              "1", "--codec", "y4m", "--ranks", "2"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
}

/// Nearly all steps are the low-noise expert's, and the pools were made for the opposite.
TEST(Ranks, ARunWhoseRolesChangedMakesTheSameLatents) {
  std::string list = "defaults: {size: 96x96, frames: 17, steps: 12, shift: 0.6}\nprompts:\n";
  for (int i = 1; i <= 12; ++i)
    list += "  - {prompt: number " + std::to_string(i) + ", name: c" + std::to_string(i) + "}\n";
  const TempFolder folder;
  write_file(folder / "list.yaml", list);
  const Outcome outcome = render(folder, 4, {"--placement", "pipeline", "--high-ranks", "3", "--log-level", "debug"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("takes the low-noise expert"), std::string::npos) << "no role has changed\n"
                                                                               << outcome.err;
  EXPECT_EQ(of_sidecars(folder.path(), "latents_sha256"), latents_with(list, 1, {}));
}

struct StageSpan {
  int rank;
  std::string stage, clip;
  double begin, end;  ///< microseconds
};

std::vector<StageSpan> stages_of_trace(const Path& file) {
  std::vector<StageSpan> spans;
  const Json trace = Json::parse(read_file(file));
  for (const Json& event : trace.at("traceEvents")) {
    if (event.value("cat", "") != "stage") continue;
    const double begin = event.at("ts");
    spans.push_back(
        {event.at("pid"), event.at("name"), event.at("args").at("clip"), begin, begin + event.at("dur").get<double>()});
  }
  return spans;
}

/// (At the end of the list groups change their roles: a rank may be in both pools.)
TEST(Ranks, PoolsWorkOnDifferentClipsAtTheSameTime) {
  const TempFolder folder;
  write_file(folder / "list.yaml",
             "defaults: {size: 96x96, frames: 17, steps: 12, shift: 5}\n"
             "prompts: [one, two, three, four, five, six, seven, eight]\n");
  const Outcome outcome = render(folder, 4, {"--placement", "pipeline", "--high-ranks", "2", "--trace", "trace.json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const std::vector<StageSpan> spans = stages_of_trace(folder / "trace.json");
  double high_seconds = 0, together = 0;
  for (const StageSpan& high : spans) {
    if (high.stage != "high") continue;
    high_seconds += (high.end - high.begin) / 1e6;
    double longest = 0;  // of one low stage beside it
    for (const StageSpan& low : spans)
      if (low.stage == "low" && low.clip != high.clip)
        longest = std::max(longest, std::min(high.end, low.end) - std::max(high.begin, low.begin));
    together += longest / 1e6;
  }
  std::printf("high stages: %.2f s, of which a low stage of another clip ran beside them for %.2f s (wanted: 25 %%)\n",
              high_seconds, together);
  EXPECT_GT(together, 0.1 * high_seconds);
}

TEST(Ranks, SpeakWithOneVoice) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(4));
  const Outcome outcome = render(folder, 4, {"--json", "--quiet"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  std::set<std::string> names;
  std::istringstream lines(outcome.out);
  for (std::string line; std::getline(lines, line);) {
    const Json json = Json::parse(line);
    EXPECT_TRUE(!json.contains("name") || names.insert(json.at("name")).second) << line;
  }
  EXPECT_EQ(names.size(), 4u);
  for (int rank = 0; rank < 4; ++rank)
    EXPECT_TRUE(std::filesystem::exists(folder / ("out/log/rank-00" + std::to_string(rank) + ".log"))) << rank;

  const Outcome again = render(folder, 3, {"--json", "--quiet"});
  EXPECT_EQ(again.code, 0);
  EXPECT_NE(again.out.find("\"skipped\":4"), std::string::npos) << again.out;
}

TEST(Ranks, AMistakeInTheListIsSaidOnceAndEndsWithTwo) {
  const TempFolder folder;
  write_file(folder / "list.yaml", "prompts:\n  - {prompt: a, frames: 80}\n");
  const Outcome outcome = render(folder, 3);
  EXPECT_EQ(outcome.code, 2);
  const std::size_t first = outcome.err.find("frames must be 4k+1");
  EXPECT_NE(first, std::string::npos) << outcome.err;
  EXPECT_EQ(outcome.err.find("frames must be 4k+1", first + 1), std::string::npos) << outcome.err;
  EXPECT_EQ(outcome.err.find("mpi"), std::string::npos) << "the launcher has nothing to add\n" << outcome.err;
}

TEST(Ranks, AFailingClipLeavesTheOthersTheirVideos) {
  const TempFolder folder;
  write_file(folder / "list.yaml",
             "defaults: {size: 32x32, frames: 5, steps: 2}\nprompts:\n  - {prompt: a, name: a}\n"
             "  - {prompt: b, name: b, guidance: 1.0e+38}\n  - {prompt: c, name: c}\n");
  const Outcome outcome = render(folder, 2);
  EXPECT_EQ(outcome.code, 1);
  EXPECT_NE(outcome.err.find("job b"), std::string::npos) << outcome.err;
  EXPECT_EQ(of_sidecars(folder.path(), "job").size(), 2u);
}

// ---- A run that is cut short

/// So long that it can be interrupted.
std::string long_list(int clips, int steps) {
  std::string list = "defaults: {size: 128x128, frames: 33, steps: " + std::to_string(steps) + "}\nprompts:\n";
  for (int i = 1; i <= clips; ++i)
    list += "  - {prompt: number " + std::to_string(i) + ", name: c" + std::to_string(i) + "}\n";
  return list;
}

/// The processes of the run in that folder, by rank.
std::map<int, pid_t> ranks_in(const Path& folder) {
  std::map<int, pid_t> ranks;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    std::error_code error;
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    if (std::filesystem::read_symlink(entry.path() / "cwd", error) != folder || error) continue;
    std::ifstream file(entry.path() / "environ");
    for (std::string variable; std::getline(file, variable, '\0');)
      if (variable.starts_with("OMPI_COMM_WORLD_RANK=")) ranks[std::stoi(variable.substr(21))] = std::stoi(name);
  }
  return ranks;
}

/// Ranks that are at their clips.
void wait_until_at_work(const Path& folder, Program& program) {
  const auto clip_begun = [&] {
    const Path work = folder / "out/.wanfarm/word";
    return std::filesystem::exists(work) && ranks_in(folder).size() == 3;
  };
  while (!clip_begun() && program.running()) std::this_thread::sleep_for(50ms);
  std::this_thread::sleep_for(1500ms);
  ASSERT_TRUE(program.running()) << "the list is too short for this test";
}

void expect_complete(const TempFolder& folder, std::size_t clips) {
  const Outcome outcome = render(folder, 3);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const auto latents = of_sidecars(folder.path(), "latents_sha256");
  EXPECT_EQ(latents.size(), clips);
  for (const std::string& file : files_below(folder / "out"))
    EXPECT_FALSE(file.ends_with(".part")) << file << " was left behind";
}

struct Cut {
  int signal, rank;
  const char* placement;
};

class CutShort : public testing::TestWithParam<Cut> {};
INSTANTIATE_TEST_SUITE_P(All, CutShort,
                         testing::Values(Cut{SIGKILL, 0, "pipeline"}, Cut{SIGKILL, 1, "group"},
                                         Cut{SIGKILL, 2, "pipeline"}, Cut{SIGSTOP, 0, "group"},
                                         Cut{SIGSTOP, 1, "pipeline"}, Cut{SIGSTOP, 2, "group"}),
                         [](const auto& cut) {
                           return std::string(cut.param.signal == SIGKILL ? "kill_" : "stop_") +
                                  std::to_string(cut.param.rank) + "_" + cut.param.placement;
                         });

TEST_P(CutShort, ByOneRankTheRunEndsNamingItAndTheSameCommandGoesOn) {
  const Cut cut = GetParam();
  const TempFolder folder;
  write_file(folder / "list.yaml", long_list(6, 24));
  const Flags flags = std::string(cut.placement) == "group" ? Flags{"--ulysses", "3", "--placement", "resident"}
                                                            : Flags{"--placement", "pipeline"};
  Program program(folder.path(), render_flags(3, flags));
  wait_until_at_work(folder.path(), program);
  const auto ranks = ranks_in(folder.path());
  ASSERT_EQ(ranks.size(), 3u);
  const auto begin = Clock::now();
  ::kill(ranks.at(cut.rank), cut.signal);
  const Outcome outcome = program.wait();
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  std::printf("ended after %.1f s of 15\n", seconds);
  EXPECT_LT(seconds, 15);
  EXPECT_TRUE(outcome.code == 1 || outcome.code == 3) << outcome.code;
  EXPECT_NE(outcome.err.find("rank " + std::to_string(cut.rank)), std::string::npos) << outcome.err;
  EXPECT_TRUE(ranks_in(folder.path()).empty()) << "processes are left";
  expect_complete(folder, 6);
}

TEST(Ranks, ASignalDrainsAllOfThemAndTheNextRunGoesOn) {
  const TempFolder folder;
  const std::string list = long_list(3, 60);  // nearly all of their time goes into steps
  write_file(folder / "list.yaml", list);
  const auto whole = latents_with(list, 1, {});
  Program program(folder.path(), render_flags(3, {"--placement", "pipeline"}));
  wait_until_at_work(folder.path(), program);
  program.signal(SIGTERM);
  const Outcome outcome = program.wait();
  EXPECT_EQ(outcome.code, 75) << outcome.err;
  EXPECT_NE(outcome.err.find("its state is kept"), std::string::npos) << outcome.err;
  EXPECT_FALSE(std::filesystem::is_empty(folder / "out/.wanfarm/store"));
  expect_complete(folder, 3);
  EXPECT_EQ(of_sidecars(folder.path(), "latents_sha256"), whole);
}

}  // namespace
}  // namespace wf
