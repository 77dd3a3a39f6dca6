// tests/launcher/run/ranks_test.cpp: --ranks from outside: the same videos whatever the placement, and every message
// once.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <sstream>

#include "tests/launcher/run/rank_runs.hpp"

namespace wf {
namespace {

void expect_same_latents_on(const std::vector<int>& numbers_of_ranks) {
  const std::string list = small_list(5, /*steps=*/6);
  const auto alone = latents_with(list, 1, {});
  ASSERT_EQ(alone.size(), 5u);
  for (const int ranks : numbers_of_ranks) {
    for (const std::string mode : {"resident", "pipeline", "phased", "swap", "stream"}) {
      Flags flags{"--placement", mode, "--ulysses", "1", "--ring", "1", "--cfg-parallel", "1"};
      EXPECT_EQ(latents_with(list, ranks, flags), alone) << mode << " on " << ranks;
    }
  }
}

TEST(Ranks, EveryPlacementMakesTheSameLatentsAsOneRank) {
  const std::string list = small_list(5, /*steps=*/6);
  const auto alone = latents_with(list, 1, {});
  for (const std::string mode : {"phased", "swap", "stream"})
    EXPECT_EQ(latents_with(list, 1, {"--placement", mode}), alone);
  expect_same_latents_on({2});
}

TEST(ManyRanks, EveryPlacementMakesTheSameLatentsAsOneRank) { expect_same_latents_on({3, 4}); }

TEST(ManyRanks, GroupsOfTwoMakeTheSameLatentsInEveryPlacement) {
  const std::string list = small_list(3, /*steps=*/6);
  const Flags groups_of_two{"--ulysses", "2", "--cfg-parallel", "1"};
  const auto together = latents_with(list, 2, groups_of_two);
  for (const std::string mode : {"pipeline", "phased"}) {
    Flags flags = groups_of_two;
    flags.insert(flags.end(), {"--placement", mode});
    EXPECT_EQ(latents_with(list, 4, flags), together) << mode;
  }
}

/// Ranks that share what they read tell each other which file it is from.
TEST(Ranks, AModelNamedFromTheCurrentFolderIsFound) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(1));
  std::filesystem::create_directory_symlink(golden_model_folder(), folder / "model");
  const ProgramResult outcome = run(folder.path(), render_flags(2, {}, "model"));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
}

TEST(Ranks, PathsThatAreNotUtf8AreTheSameForAllRanks) {
  const TempFolder folder;
  const std::string odd = "\xff\xc3(";
  const Path here = folder / ("here" + odd);
  make_folder(here);
  write_file(here / "list.yaml", small_list(2));
  std::filesystem::create_directory_symlink(golden_model_folder(), here / ("model" + odd));
  Flags flags = render_flags(2, {}, "model" + odd);
  std::ranges::replace(flags, std::string("out"), "out" + odd);
  const ProgramResult outcome = run(here, flags);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(std::filesystem::exists(here / ("out" + odd) / "clip-2.json"));
}

bool on_gpus() {
  const char* const device = std::getenv("WF_TEST_DEVICE");
  return device && std::string(device) == "cuda";
}

/// Where the ranks of a run got an expert from: "files", "rank 3".
std::set<std::string> sources_in(const Path& trace, const std::string& expert) {
  std::set<std::string> sources;
  const Json all = Json::parse(read_file(trace));
  for (const Json& event : all.at("traceEvents"))
    if (event.value("cat", "") == "load" && event.at("name") == expert) sources.insert(event.at("args").at("from"));
  EXPECT_TRUE(sources.contains("files")) << "who begins with it reads it";
  return sources;
}

struct Change {
  int ranks, high_ranks, steps;
  std::string role;  ///< the role that a rank changes to
  int peer;          ///< the rank that holds that expert by then
};

/// Nearly all steps are the low-noise expert's; the high pool embeds texts and decodes. A rank that changes its role
/// requests the expert from a rank that holds it, and copies it (on GPUs) or reads the files.
void expect_same_latents_after(const Change& change) {
  std::string list = "defaults: {size: 96x96, frames: 17, shift: 0.6, steps: " + std::to_string(change.steps) + "}\n";
  list += "prompts:\n";
  for (int i = 1; i <= 12; ++i)
    list += "  - {prompt: number " + std::to_string(i) + ", name: c" + std::to_string(i) + "}\n";
  const TempFolder folder;
  write_file(folder / "list.yaml", list);
  const ProgramResult outcome = render(folder, change.ranks,
                                       {"--placement", "pipeline", "--high-ranks", std::to_string(change.high_ranks),
                                        "--log-level", "debug", "--trace", "trace.json"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const std::string taken = "loads the " + change.role + "-noise expert";
  EXPECT_NE(outcome.err.find(taken), std::string::npos) << "no role has changed\n" << outcome.err;
  const std::string peer = "rank " + std::to_string(change.peer);
  const std::string answer = on_gpus() ? "from the GPU of " + peer : peer + " leases none";
  EXPECT_NE(outcome.err.find(answer), std::string::npos) << outcome.err;
  EXPECT_EQ(sources_in(folder / "trace.json", change.role + "_noise_model").contains(peer), on_gpus());
  EXPECT_EQ(of_sidecars(folder.path(), "latents_sha256"), latents_with(list, 1, {}));
}

/// Clips wait to be decoded when the low-noise work is done.
TEST(Ranks, ARunWhoseRolesChangedMakesTheSameLatents) { expect_same_latents_after({2, 1, 4, "high", 0}); }

/// The pools were made for the opposite.
TEST(ManyRanks, ARunWhoseRolesChangedMakesTheSameLatents) { expect_same_latents_after({4, 3, 12, "low", 3}); }

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
TEST(ManyRanks, PoolsWorkOnDifferentClipsAtTheSameTime) {
  const TempFolder folder;
  write_file(folder / "list.yaml",
             "defaults: {size: 96x96, frames: 17, steps: 12, shift: 5}\n"
             "prompts: [one, two, three, four, five, six, seven, eight]\n");
  const ProgramResult outcome =
      render(folder, 4, {"--placement", "pipeline", "--high-ranks", "2", "--trace", "trace.json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const std::vector<StageSpan> spans = stages_of_trace(folder / "trace.json");
  double high_seconds = 0, together = 0;
  for (const StageSpan& high : spans) {
    if (high.stage != "high") continue;
    high_seconds += (high.end - high.begin) / 1e6;
    double longest = 0;  // overlap with one low stage
    for (const StageSpan& low : spans)
      if (low.stage == "low" && low.clip != high.clip)
        longest = std::max(longest, std::min(high.end, low.end) - std::max(high.begin, low.begin));
    together += longest / 1e6;
  }
  std::printf(
      "high stages: %.2f s, of which a low stage of another clip ran at the same time for %.2f s (at least 10 %%)\n",
      high_seconds, together);
  EXPECT_GT(together, 0.1 * high_seconds);
}

TEST(ManyRanks, PrintEachClipOnce) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(4));
  const ProgramResult outcome = render(folder, 4, {"--json", "--quiet"});
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

  const ProgramResult again = render(folder, 3, {"--json", "--quiet"});
  EXPECT_EQ(again.code, 0);
  EXPECT_NE(again.out.find("\"skipped\":4"), std::string::npos) << again.out;
}

TEST(ManyRanks, AMistakeInTheListIsPrintedOnceAndExitsWithTwo) {
  const TempFolder folder;
  write_file(folder / "list.yaml", "prompts:\n  - {prompt: a, frames: 80}\n");
  const ProgramResult outcome = render(folder, 3);
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
             "  - {prompt: b" +
                 too_many_words() + ", name: b}\n  - {prompt: c, name: c}\n");
  const ProgramResult outcome = render(folder, 2, {"--model", model_of_shorter_texts(folder.path())});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_NE(outcome.err.find("job b"), std::string::npos) << outcome.err;
  EXPECT_EQ(of_sidecars(folder.path(), "job").size(), 2u);
}

}  // namespace
}  // namespace wf
