// tests/launcher/run/weights_cache_test.cpp: --weights-cache from outside: the second start reads the copies of the
// first and renders the same frames; wanfarm clean lists and removes them.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/files.hpp"
#include "tests/launcher/program.hpp"

namespace wf {
namespace {

using Arguments = std::vector<std::string>;
using Json = nlohmann::json;

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

class CachedRuns : public ::testing::Test {
 protected:
  /// A clip of so many steps needs both experts.
  CachedRuns() { write_file(folder_ / "list.yaml", small_list(1, /*steps=*/6)); }

  /// Renders the list into a folder of that name in bf16, with debug lines on stderr.
  ProgramResult render(const std::string& output, const Arguments& more = {}, const Surroundings& around = {}) const {
    Arguments all{"render", "list.yaml", "--model", golden_model_folder(), "--output", output,      "--device",
                  "cpu",    "--codec",   "y4m",     "--precision",         "exact",    "--threads", "1",
                  "-v"};
    all.insert(all.end(), more.begin(), more.end());
    ProgramResult result = run(folder_.path(), all, around);
    EXPECT_EQ(result.code, 0) << result.err;
    return result;
  }
  std::string frames_of(const std::string& output) const {
    for (const auto& file : std::filesystem::directory_iterator(folder_ / output))
      if (file.path().extension() == ".json")
        if (const Json sidecar = Json::parse(read_file(file.path())); sidecar.contains("frames_sha256"))
          return sidecar["frames_sha256"];
    ADD_FAILURE() << "no sidecar in " << output;
    return "";
  }
  ProgramResult clean(const Arguments& more = {}) const {
    Arguments all{"clean", "--weights-cache", "cache"};
    all.insert(all.end(), more.begin(), more.end());
    return run(folder_.path(), all);
  }
  Json listed(Arguments more = {}) const {
    more.emplace_back("--json");
    const ProgramResult result = clean(more);
    EXPECT_EQ(result.code, 0) << result.err;
    return Json::parse(result.out);
  }

  /// Changes data within a file of the list, of which a check of the header knows nothing. Returns the file.
  Path flip(const Json& listed) const {
    const Path file = folder_ / "cache" / listed["file"].get<std::string>();
    const auto middle = static_cast<std::streamoff>(std::filesystem::file_size(file) / 2);
    std::fstream(file, std::ios::in | std::ios::out | std::ios::binary).seekp(middle).put('x').put('y');
    return file;
  }

  TempFolder folder_;
  const Arguments cached_{"--weights-cache", "cache"};
};

TEST_F(CachedRuns, ASecondStartReadsTheCopiesAndRendersTheSameFrames) {
  EXPECT_TRUE(contains(render("first", cached_).err, "written for later starts"));
  const std::string log = render("second", cached_).err;
  EXPECT_TRUE(contains(log, "from the weights cache to cpu")) << log;
  EXPECT_FALSE(contains(log, "written for later starts")) << log;
  render("without");
  EXPECT_EQ(frames_of("second"), frames_of("first"));
  EXPECT_EQ(frames_of("second"), frames_of("without"));
}

TEST_F(CachedRuns, ADamagedCopyIsToldAndReplaced) {
  render("first", cached_);
  const Json whole = listed();
  for (const Json& file : whole["files"])
    std::filesystem::resize_file(folder_ / "cache" / file["file"].get<std::string>(), 1000);
  const std::string log = render("second", cached_).err;
  EXPECT_TRUE(contains(log, "a damaged copy is removed")) << log;
  EXPECT_EQ(frames_of("second"), frames_of("first"));
  EXPECT_TRUE(contains(render("third", cached_).err, "from the weights cache"));
}

TEST_F(CachedRuns, ACopyWhoseDamageShowsAtItsEndIsReplacedBehindTheOtherExpert) {
  const Arguments swap{"--weights-cache", "cache", "--placement", "swap"};
  render("first", swap);
  for (std::size_t i = 0; i < 2; ++i) flip(listed()["files"][i]);
  const std::string log = render("second", swap).err;
  EXPECT_TRUE(contains(log, "a damaged copy is removed")) << log;
  EXPECT_FALSE(contains(log, "was not loaded beside the other one's work")) << log;
  EXPECT_EQ(frames_of("second"), frames_of("first"));
}

TEST_F(CachedRuns, AVariableNamesTheFolderAndTheFlagWins) {
  const Surroundings named{.environment = {"WANFARM_WEIGHTS_CACHE=" + (folder_ / "named").string()}};
  render("first", {"--weights-cache", "off"}, named);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "named"));
  render("second", {}, named);
  EXPECT_FALSE(std::filesystem::is_empty(folder_ / "named"));
  const Surroundings user{.environment = {"WANFARM_CACHE=" + (folder_ / "user").string()}};
  render("third", {"--weights-cache", "auto"}, user);
  EXPECT_FALSE(std::filesystem::is_empty(folder_ / "user/weights"));
}

TEST_F(CachedRuns, RanksOfANodeShareTheCopies) {
  const Arguments ranks{"--weights-cache", "cache", "--ranks", "2", "--placement", "pipeline"};
  render("first", ranks);
  EXPECT_EQ(listed()["files"].size(), 2u);
  const std::string log = render("second", ranks).err;
  EXPECT_TRUE(contains(log, "from the weights cache to cpu")) << log;
  EXPECT_FALSE(contains(log, "written for later starts")) << log;
  EXPECT_EQ(frames_of("second"), frames_of("first"));
}

TEST_F(CachedRuns, AStagedModelIsCopiedOnceAndRendersTheSameFrames) {
  const Surroundings node{.environment = {"NODE_DISK=" + (folder_ / "disk").string()}};
  const Arguments staged{"--stage-weights", "$NODE_DISK/weights", "--ranks", "2"};
  const std::string first = render("first", staged, node).err;
  const std::size_t told = first.find("copied the model's files to ");
  EXPECT_NE(told, std::string::npos) << first;
  EXPECT_EQ(first.find("copied the model's files to ", told + 1), std::string::npos) << "by both ranks";
  EXPECT_FALSE(std::filesystem::is_empty(folder_ / "disk/weights"));
  EXPECT_FALSE(contains(render("second", staged, node).err, "copied the model's files"));
  render("without");
  EXPECT_EQ(frames_of("first"), frames_of("without"));
  EXPECT_EQ(frames_of("second"), frames_of("without"));
}

TEST_F(CachedRuns, AStagingFolderOfAVariableWithoutAValueExitsWith2) {
  const ProgramResult result = run(folder_.path(), {"render", "list.yaml", "--model", golden_model_folder(),
                                                    "--stage-weights", "$NO_SUCH_VARIABLE/weights"});
  EXPECT_EQ(result.code, 2) << result.err;
  EXPECT_TRUE(contains(result.err, "the variable NO_SUCH_VARIABLE has no value here")) << result.err;
}

TEST_F(CachedRuns, AFolderThatIsAFileExitsWith2) {
  write_file(folder_ / "cache", "");
  for (const Arguments& command :
       {Arguments{"render", "list.yaml", "--weights-cache", "cache"}, Arguments{"clean", "--weights-cache", "cache"}}) {
    const ProgramResult result = run(folder_.path(), command);
    EXPECT_EQ(result.code, 2) << result.err;
    EXPECT_TRUE(contains(result.err, "is a file, and a folder is needed")) << result.err;
  }
  EXPECT_EQ(run(folder_.path(), {"render", "list.yaml", "--weights-cache-limit", "much"}).code, 2);
}

TEST_F(CachedRuns, CleanListsWhatIsThereAndRemovesNothingByItself) {
  EXPECT_EQ(listed()["files"].size(), 0u) << "there is no folder yet";
  render("first", cached_);
  const Json all = listed();
  ASSERT_EQ(all["files"].size(), 2u);
  for (const Json& file : all["files"]) {
    EXPECT_EQ(file["state"], "complete");
    EXPECT_EQ(file["fate"], "kept");
    EXPECT_EQ(file["model"], "tiny");
    EXPECT_EQ(file["form"], "exact");
    EXPECT_EQ(file["bytes"], std::filesystem::file_size(folder_ / "cache" / file["file"].get<std::string>()));
  }
  EXPECT_NE(all["files"][0]["expert"], all["files"][1]["expert"]);
  const std::string text = clean().out;
  EXPECT_TRUE(contains(text, ": 2 files, ")) << text;
}

TEST_F(CachedRuns, CleanRemovesWhatIsNamedAndSaysWhatThatFrees) {
  render("first", cached_);
  const std::string name = listed()["files"][0]["file"];
  const Json rehearsed = listed({"--all", "--dry-run"});
  EXPECT_EQ(rehearsed["removed"], 2);
  EXPECT_EQ(listed()["files"].size(), 2u) << "it was a rehearsal";
  EXPECT_EQ(clean({"--remove", "3"}).code, 2);
  EXPECT_EQ(listed({"--older-than", "1"})["removed"], 0);
  EXPECT_EQ(listed({"--broken"})["removed"], 0);
  const Json removed = listed({"--remove", name});
  EXPECT_EQ(removed["removed"], 1);
  EXPECT_EQ(removed["freed_bytes"], removed["files"][0]["bytes"]);
  ASSERT_EQ(listed()["files"].size(), 1u);
  EXPECT_NE(listed()["files"][0]["file"], name);
  EXPECT_EQ(listed({"--all"})["removed"], 1);
  EXPECT_TRUE(std::filesystem::is_empty(folder_ / "cache"));
}

TEST_F(CachedRuns, CleanFindsDamageAndRemovesIt) {
  render("first", cached_);
  const Path damaged = flip(listed()["files"][1]);
  EXPECT_EQ(listed()["files"][1]["state"], "complete") << "data is not read";
  const Json checked = listed({"--verify", "--broken"});
  EXPECT_EQ(checked["removed"], 1);
  EXPECT_FALSE(std::filesystem::exists(damaged));
  EXPECT_EQ(listed()["files"].size(), 1u);
}

}  // namespace
}  // namespace wf
