// tests/launcher/cli/preset_test.cpp: --preset maximum, balanced and constrained from the command line: what verbs make
// of it, and what they refuse.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/launcher/program.hpp"
#include "tests/text.hpp"

namespace wf {
namespace {

using Json = nlohmann::json;
using Words = std::vector<std::string>;

Words joined(Words all, const Words& more) {
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

/// A folder with a list of two clips.
class PresetOf : public testing::Test {
 protected:
  void SetUp() override { write_file(folder / "list.yaml", small_list(2)); }

  /// What plan prints for one GPU of this kind.
  std::string planned(const std::string& gpu, const Words& flags) const {
    const Words plan{"plan", "list.yaml", "--model", golden_model_folder(), "--gpus", "1", "--gpu", gpu};
    const ProgramResult outcome = run(folder.path(), joined(plan, flags));
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.out;
  }

  /// The values of the run that a dry run on the CPU shows.
  Json shown(const Words& flags) const {
    const Words dry{"render", "list.yaml", "--dry-run", "--json", "--device", "cpu"};
    const ProgramResult outcome = run(folder.path(), joined(dry, flags));
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.code == 0 ? json_lines_of(outcome.out).back().at("run") : Json();
  }

  TempFolder folder;
};

TEST_F(PresetOf, PlanIsTheSameAsItsValuesOneByOne) {
  const std::string constrained = planned("rtx4090", {"--preset", "constrained"});
  EXPECT_EQ(constrained, planned("rtx4090", {"--gpu-memory", "24GB", "--precision", "fp8-linear", "--tf32"}));
  EXPECT_EQ(constrained, planned("rtx4090", {"--gpu-memory", "constrained", "--precision", "fp8-linear", "--tf32"}));
  EXPECT_NE(constrained, planned("rtx4090", {"--gpu-memory", "constrained"}));
  EXPECT_EQ(planned("a100", {"--preset", "balanced"}),
            planned("a100", {"--gpu-memory", "40GB", "--weights", "fp8", "--tf32"}));
  EXPECT_EQ(planned("h100", {"--preset", "maximum"}), planned("h100", {"--gpu-memory", "80GB"}));
}

TEST_F(PresetOf, PlanLosesToFlagsBeforeAndAfterIt) {
  const std::string wanted = planned("a100", {"--gpu-memory", "30GB", "--no-tf32", "--weights", "auto"});
  EXPECT_EQ(planned("a100", {"--gpu-memory", "30GB", "--no-tf32", "--weights", "auto", "--preset", "balanced"}),
            wanted);
  EXPECT_EQ(planned("a100", {"--preset", "balanced", "--gpu-memory", "30GB", "--no-tf32", "--weights", "auto"}),
            wanted);
}

TEST_F(PresetOf, PlanTakesWhatTheGpuHasWhereThatIsLess) {
  EXPECT_EQ(planned("rtx4090", {"--preset", "maximum"}), planned("rtx4090", {}));
}

TEST_F(PresetOf, PlanForACpuChangesNothing) {
  EXPECT_EQ(planned("cpu", {"--preset", "constrained"}), planned("cpu", {}));
}

TEST_F(PresetOf, DryRunIsShownBesideThatOfClips) {
  const ProgramResult outcome = run(folder.path(), {"render", "list.yaml", "--dry-run", "--json", "--device", "cpu",
                                                    "--preset", "lightning", "--preset", "constrained"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const std::vector<Json> lines = json_lines_of(outcome.out);
  EXPECT_EQ(lines.at(0).at("job").at("solver"), "euler");
  const Json run = lines.back().at("run");
  EXPECT_EQ(run.at("preset"), "constrained");
  EXPECT_EQ(run.at("precision"), "reference") << "a CPU keeps its precision";
  EXPECT_EQ(run.at("tf32"), false) << "and has no TF32";
}

TEST_F(PresetOf, DryRunOfTheLastOneGivenIsShown) {
  EXPECT_EQ(shown({"--preset", "constrained", "--preset", "maximum"}).at("preset"), "maximum");
  EXPECT_FALSE(shown({}).contains("preset"));
}

TEST_F(PresetOf, AnUnknownNameExitsWith2AndListsThoseThatAreTaken) {
  const std::string known = "--preset: must be one of lightning, maximum, balanced, constrained";
  const Words takers[] = {
      {"render", "list.yaml"}, {"generate", "--prompt", "a star"}, {"plan", "list.yaml"}, {"bench", "clip"}};
  for (const Words& verb : takers) {
    const ProgramResult outcome = run(folder.path(), joined(verb, {"--preset", "huge"}));
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_TRUE(contains(outcome.err, known)) << outcome.err;
    EXPECT_TRUE(contains(outcome.err, "got 'huge'")) << outcome.err;
    EXPECT_EQ(contains(outcome.err, "ultrafast"), verb.front() == "render" || verb.front() == "generate")
        << outcome.err;
  }
  const Words others[] = {{"finish", "renders"}, {"calibrate-cache"}};
  for (const Words& verb : others) {
    const ProgramResult outcome = run(folder.path(), joined(verb, {"--preset", "lightning"}));
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_TRUE(contains(outcome.err, "--preset: must be one of maximum, balanced, constrained")) << outcome.err;
  }
}

TEST_F(PresetOf, AListMayNotNameHardware) {
  write_file(folder / "list.yaml", "defaults: {preset: balanced}\nprompts: [a]\n");
  for (const char* const verb : {"validate", "render", "plan"}) {
    const ProgramResult outcome = run(folder.path(), {verb, "list.yaml"});
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_TRUE(contains(outcome.err,
                         "list.yaml:1:20: preset must be lightning: balanced depends on the machine, and "
                         "is given by the flag --preset"))
        << outcome.err;
  }
}

TEST_F(PresetOf, FinishLeavesClipsAsTheirDraftsWere) {
  const Words quick{"--device", "cpu", "--threads", "1"};
  const Words render{"render", "list.yaml", "--model", golden_model_folder(), "--output", "out", "--codec", "y4m"};
  const auto finished = [&](const Words& flags) {
    return run(folder.path(), joined(joined({"finish", "out"}, flags), quick));
  };
  const ProgramResult drafted =
      run(folder.path(), joined(joined(render, {"--stop-at", "boundary", "--preset", "maximum", "--tf32"}), quick));
  ASSERT_EQ(drafted.code, 0) << drafted.err;
  const ProgramResult outcome = finished({"--preset", "constrained"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(contains(outcome.err, "2 rendered")) << outcome.err;
  const Json sidecar = Json::parse(read_file(folder / "out/clip-1.json"));
  EXPECT_EQ(sidecar.at("recipe").at("tf32"), true);
}

}  // namespace
}  // namespace wf
