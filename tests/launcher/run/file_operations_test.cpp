// tests/launcher/run/file_operations_test.cpp: how often a run asks the server of a shared disk for something, as the
// kernel sees it: for each clip, for each finished clip that it finds, and while it does nothing but compute.
#include "tests/launcher/file_operations.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <map>

#include "tests/text.hpp"

namespace wf {
namespace {

using Counts = std::map<std::string, double>;

/// What a run writes or looks at by its clock, however many clips there are.
bool is_by_the_clock(const std::string& path) {
  for (const char* const name : {"/status.json", "/journal.jsonl", "/control", "/metrics.prom", "/failed.yaml"})
    if (contains(path, name)) return true;
  return false;
}

Counts counts_of(const std::vector<FileOperation>& operations) {
  Counts counts;
  for (const FileOperation& operation : operations)
    if (!is_by_the_clock(operation.path)) ++counts[operation.what];
  return counts;
}

double sum(const Counts& counts) {
  double all = 0;
  for (const auto& [what, count] : counts) all += count;
  return all;
}

class FileOperations : public ::testing::Test {
 protected:
  TracedProgram render(int clips, const std::vector<std::string>& more, const std::vector<std::string>& environment) {
    write_file(folder / "list.yaml", small_list(clips, 2));
    const std::string out = "out" + std::to_string(clips);
    std::vector<std::string> words{"render", "list.yaml", "--model", golden_model_folder().string(), "--output", out};
    words.insert(words.end(), {"--threads", "1", "--device", "cpu", "--checkpoint", "3600"});
    words.insert(words.end(), more.begin(), more.end());
    TracedProgram traced = trace_program(folder.path(), words, folder / out, environment);
    EXPECT_EQ(traced.code, 0) << traced.err;
    return traced;
  }

  /// Of one clip more: what 16 clips take, less what 4 take.
  Counts for_each_clip(const char* what, const std::vector<std::string>& more,
                       const std::vector<std::string>& environment = {}) {
    const Counts few = counts_of(render(4, more, environment).operations);
    Counts each = counts_of(render(16, more, environment).operations);
    for (const auto& [kind, count] : few) each[kind] -= count;
    std::printf("%-28s", what);
    for (auto& [kind, count] : each) std::printf(" %s %.2f,", kind.c_str(), count /= 12);
    std::printf(" together %.2f\n", sum(each));
    return each;
  }

  TempFolder folder, scratch;
};

TEST_F(FileOperations, OfAClipAreAtMostNineAndEightWhereItsVideoIsMadeOnAScratchDisk) {
  const std::vector<std::string> y4m{"--codec", "y4m"};
  EXPECT_LE(sum(for_each_clip("y4m", y4m)), 9.01);
  EXPECT_LE(sum(for_each_clip("y4m, all found finished", y4m)), 2.01) << "its sidecar, and its video's size";
  for (const int clips : {4, 16}) std::filesystem::remove_all(folder / ("out" + std::to_string(clips)));
  EXPECT_LE(sum(for_each_clip("y4m, scratch", y4m, {"WANFARM_SCRATCH=" + scratch.path().string()})), 8.01);
  EXPECT_TRUE(files_below(scratch.path()).empty());
}

TEST_F(FileOperations, OfAnEncodedClipAreAtMostTenAndEightWhereItsVideoIsMadeOnAScratchDisk) {
  EXPECT_LE(sum(for_each_clip("default codec", {})), 10.01) << "what puts the index first opens the file once more";
  for (const int clips : {4, 16}) std::filesystem::remove_all(folder / ("out" + std::to_string(clips)));
  EXPECT_LE(sum(for_each_clip("default codec, scratch", {}, {"WANFARM_SCRATCH=" + scratch.path().string()})), 8.01);
}

/// Steps that take some seconds in all. What is looked for: requests of users, and how the run stands.
TEST_F(FileOperations, NothingIsLookedForMoreOftenThanEveryFiveSeconds) {
  const TracedProgram traced = render(1, {"--steps", "400", "--frames", "33", "--size", "64x64", "--codec", "y4m"}, {});
  std::map<std::string, int> times;
  for (const FileOperation& operation : traced.operations)
    if (contains(operation.path, "/.wanfarm/control"))
      ++times["control"];
    else if (operation.what == "rename" && contains(operation.path, "/status.json"))
      ++times["status"];
  std::printf("in %.1f s: requests looked for %d times, status written %d times\n", traced.seconds, times["control"],
              times["status"]);
  EXPECT_GT(traced.seconds, 2.5) << "too short to tell";
  EXPECT_LE(times["control"], 3 + traced.seconds / 5) << "at the start, for what earlier users left, and from then on";
  EXPECT_LE(times["status"], 4 + traced.seconds / 5) << "at the start, when the first clip begins, and at the end";
}

}  // namespace
}  // namespace wf
