// tests/launcher/cli/list_test.cpp: what validate and --dry-run print for a list, and that they write nothing.
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <regex>

#include "tests/launcher/program.hpp"
#include "tests/text.hpp"

namespace wf {
namespace {

using Json = nlohmann::json;

const Path broken = Path(WF_REPOSITORY) / "tests/jobs/broken";

std::vector<Path> broken_lists() {
  std::vector<Path> lists;
  for (const auto& entry : std::filesystem::directory_iterator(broken)) {
    if (entry.path().extension() == ".yaml") lists.push_back(entry.path());
  }
  return lists;
}

void expect_refused(const Path& list, const ProgramResult& outcome) {
  static const std::regex place(R"(^[^\n]*\.(yaml|txt|csv|jsonl):[0-9]+(:[0-9]+)?: )");
  EXPECT_EQ(outcome.code, 2) << list << outcome.err;
  EXPECT_TRUE(std::regex_search(outcome.err, place)) << list << ": " << outcome.err;
  EXPECT_TRUE(outcome.out.empty()) << outcome.out;
}

TEST(Validate, EveryBrokenListIsRefusedWithThePlaceOfTheError) {
  const TempFolder folder;
  const std::vector<Path> lists = broken_lists();
  ASSERT_GE(lists.size(), 30u);
  constexpr std::size_t at_once = 4;  // a process spends most of its time loading libraries
  for (std::size_t begin = 0; begin < lists.size(); begin += at_once) {
    const std::size_t end = std::min(begin + at_once, lists.size());
    std::vector<std::unique_ptr<Program>> programs;
    for (std::size_t i = begin; i < end; ++i)
      programs.push_back(std::make_unique<Program>(folder.path(), std::vector<std::string>{"validate", lists[i]}));
    for (std::size_t i = begin; i < end; ++i) expect_refused(lists[i], programs[i - begin]->wait());
  }
  EXPECT_TRUE(files_below(folder.path()).empty());
}

TEST(Render, ABrokenListWritesNothing) {
  const TempFolder folder;
  for (const char* name : {"01-frames.yaml", "02-unknown-key.yaml", "37-name-twice.yaml"}) {
    const ProgramResult outcome = run(folder.path(), {"render", broken / name});
    EXPECT_EQ(outcome.code, 2) << outcome.err;
  }
  EXPECT_TRUE(files_below(folder.path()).empty());
}

TEST(Validate, CountsTheClipsOfAValidList) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(3));
  const ProgramResult outcome = run(folder.path(), {"validate", "list.yaml"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "list.yaml: 3 clips, no errors\n");
}

TEST(DryRun, FlagsOverridePromptsWhichOverrideDefaultsWhichOverrideBuiltInValues) {
  const TempFolder folder;
  write_file(folder / "list.yaml",
             "output: from-list\ndefaults: {steps: 20, shift: 7, fps: 24}\nprompts:\n  - {prompt: a, name: a, steps: "
             "10, shift: 9}\n  - {prompt: b, name: b}\n");
  const ProgramResult outcome = run(folder.path(), {"render", "list.yaml", "--dry-run", "--json", "--shift", "3"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const std::vector<Json> printed = json_lines_of(outcome.out);
  ASSERT_EQ(printed.size(), 3u);
  EXPECT_EQ(printed[0].at("job").at("shift"), 3.0) << "the flag";
  EXPECT_EQ(printed[0].at("job").at("steps"), 10) << "the prompt's map";
  EXPECT_EQ(printed[1].at("job").at("steps"), 20) << "defaults";
  EXPECT_EQ(printed[1].at("job").at("fps"), 24) << "defaults";
  EXPECT_EQ(printed[1].at("job").at("frames"), 81) << "built in";
  EXPECT_EQ(printed[2].at("run").at("output"), "from-list");
  EXPECT_EQ(files_below(folder.path()).size(), 1u) << "only the list exists";
}

TEST(DryRun, ShowsWhatAPresetStandsFor) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(2));
  const ProgramResult json =
      run(folder.path(), {"render", "list.yaml", "--dry-run", "--json", "--preset", "lightning", "--steps", "8"});
  ASSERT_EQ(json.code, 0) << json.err;
  const Json job = json_lines_of(json.out).at(0).at("job");
  EXPECT_EQ(job.at("solver"), "euler");
  EXPECT_EQ(job.at("steps"), 8);
  EXPECT_EQ(job.at("shift"), 5.0);
  EXPECT_TRUE(job.at("guidance").at("high").is_null() && job.at("guidance").at("low").is_null());
  const auto text = [&](const std::string& guidance) {
    return run(folder.path(), {"render", "list.yaml", "--dry-run", "--guidance", guidance}).out;
  };
  EXPECT_NE(text("none").find("guidance        none\n"), std::string::npos) << text("none");
  EXPECT_NE(text("3.5,none").find("guidance        high 3.5, low none\n"), std::string::npos);
}

TEST(DryRun, LightningWithGuidanceIsWarnedOf) {
  const TempFolder folder;
  write_file(folder / "list.yaml", "prompts:\n  - {prompt: a, guidance: 5, preset: lightning}\n  - b\n");
  const std::string warning = "preset lightning with a guidance above 1";
  const ProgramResult rendered = run(folder.path(), {"render", "list.yaml", "--dry-run"});
  EXPECT_EQ(rendered.code, 0);
  EXPECT_NE(rendered.err.find("list.yaml:2:14: " + warning), std::string::npos) << rendered.err;
  EXPECT_NE(run(folder.path(), {"validate", "list.yaml"}).err.find(warning), std::string::npos);
  const ProgramResult without = run(folder.path(), {"render", "list.yaml", "--dry-run", "--guidance", "none"});
  EXPECT_EQ(without.err.find(warning), std::string::npos) << without.err;
}

TEST(DryRun, TextOutputNamesEveryValue) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(2));
  const ProgramResult outcome = run(folder.path(), {"render", "list.yaml", "--dry-run", "--only", "2"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  for (const char* part : {"clip-2", "negative_prompt", "guidance", "precision", "1 clip: 0 finished, 1 to render"})
    EXPECT_NE(outcome.out.find(part), std::string::npos) << part << " is not in " << outcome.out;
  EXPECT_EQ(outcome.out.find("clip-1"), std::string::npos);
}

}  // namespace
}  // namespace wf
