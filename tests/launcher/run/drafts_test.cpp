// tests/launcher/run/drafts_test.cpp: a list is drafted with one expert, and finished to the clips that it would have
// become at once.
#include <gtest/gtest.h>

#include <sstream>

#include "pipeline/video/video_writer.hpp"
#include "tests/launcher/run/rank_runs.hpp"

namespace wf {
namespace {

constexpr int steps = 8;       ///< of each clip, at shift 12
constexpr int high_steps = 6;  ///< of these

/// A process alone on `list.yaml`, or on the folder `out`.
ProgramResult wanfarm(const TempFolder& folder, const Flags& more) {
  Flags flags{"render", "list.yaml", "--model", golden_model_folder(), "--output", "out"};
  if (more.front() == "finish") flags.clear();
  flags.insert(flags.end(), more.begin(), more.end());
  if (more.front() != "finish") flags.insert(flags.end(), {"--codec", "y4m"});
  flags.insert(flags.end(), {"--threads", "1", "--device", "cpu", "--json"});
  return run(folder.path(), flags);
}

ProgramResult draft(const TempFolder& folder, const Flags& more = {}) {
  Flags flags{"--stop-at", "boundary"};
  flags.insert(flags.end(), more.begin(), more.end());
  return wanfarm(folder, flags);
}

/// The names of clips with this status, as --json tells them.
std::string named(const ProgramResult& outcome, const std::string& status) {
  std::string names;
  std::istringstream out(outcome.out);
  for (std::string line; std::getline(out, line);) {
    const Json json = Json::parse(line);
    if (json.value("status", "") == status) names += json.at("name").get<std::string>() + " ";
  }
  return names;
}

std::map<std::string, Json> frames_at_once(const std::string& list) {
  const TempFolder folder;
  write_file(folder / "list.yaml", list);
  const ProgramResult outcome = wanfarm(folder, {"--force"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  return of_sidecars(folder.path(), "frames_sha256");
}

std::size_t files_in(const Path& folder) {
  if (!std::filesystem::exists(folder)) return 0;
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

/// As the trace tells, whose spans of loading are named after folders and files.
void expect_one_expert_loaded(const TempFolder& folder) {
  const std::string trace = read_file(folder / "trace.json");
  EXPECT_NE(trace.find("high_noise_model"), std::string::npos);
  EXPECT_EQ(trace.find("low_noise_model"), std::string::npos) << "a draft does not need it";
}

TEST(Drafts, AreSmallNeedOneExpertAndAreFinishedToTheSameFrames) {
  const TempFolder folder;
  const std::string list = small_list(2, steps);
  write_file(folder / "list.yaml", list);
  const ProgramResult drafted = draft(folder, {"--trace", "trace.json"});
  ASSERT_EQ(drafted.code, 0) << drafted.err;
  EXPECT_EQ(named(drafted, "done"), "clip-1 clip-2 ");
  expect_one_expert_loaded(folder);
  for (const char* const name : {"clip-1", "clip-2"}) {
    const auto video = read_video(folder / "out/drafts" / (name + std::string(".y4m")));
    EXPECT_EQ(video->info().width, 16);
    EXPECT_EQ(video->info().height, 16);
    EXPECT_FALSE(std::filesystem::exists(folder / "out" / (name + std::string(".json"))));
  }
  EXPECT_EQ(files_in(folder / "out/.wanfarm/store"), 2u);

  const ProgramResult finished = wanfarm(folder, {"finish", "out"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(of_sidecars(folder.path(), "frames_sha256"), frames_at_once(list));
  for (const auto& [file, how] : of_sidecars(folder.path(), "how"))
    EXPECT_EQ(how.at("steps_resumed"), std::to_string(high_steps)) << file;
  EXPECT_TRUE(std::filesystem::exists(folder / "out/clip-1.y4m")) << "the codec is that of the drafts";
  EXPECT_EQ(files_in(folder / "out/drafts"), 0u);
  EXPECT_EQ(files_in(folder / "out/.wanfarm/store"), 0u);
  EXPECT_EQ(wanfarm(folder, {"finish", "out"}).code, 0) << "nothing is left to do";
}

TEST(Drafts, AreFinishedWithTheForwardsThatTheySaved) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(1, steps));
  write_file(folder / "cache.json", R"({"E": 0.06, "K": 1, "R": 0, "conditional": [1, 1, 1, 1, 1, 1, 1, 1], )"
                                    R"("unconditional": [1, 1, 1, 1, 1, 1, 1, 1]})");
  ASSERT_EQ(draft(folder, {"--step-cache", "cache.json"}).code, 0);
  std::filesystem::remove(folder / "cache.json");
  const ProgramResult finished = wanfarm(folder, {"finish", "out"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  const Json how = of_sidecars(folder.path(), "how").at("clip-1.json");
  EXPECT_EQ(how.at("skipped_conditional"), (Json{1, 3, 5, 7}));
  EXPECT_EQ(how.at("steps_resumed"), std::to_string(high_steps)) << "the fingerprint is the draft's";
}

TEST(Drafts, AreFinishedWithTheirModelsPartsAndLoras) {
  const Path variants = golden_model_folder().parent_path() / "variants";
  const Flags model{"--high-model", variants / "single/high_fp16.safetensors",
                    "--lora-low",   (variants / "lora/comfy_low.safetensors").string() + "=0.5",
                    "--lora",       variants / "lora/peft.safetensors"};
  const TempFolder folder, at_once;
  for (const TempFolder* const each : {&folder, &at_once}) write_file(*each / "list.yaml", small_list(1, steps));
  ASSERT_EQ(draft(folder, model).code, 0);
  const ProgramResult finished = wanfarm(folder, {"finish", "out"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  ASSERT_EQ(wanfarm(at_once, model).code, 0);
  EXPECT_EQ(of_sidecars(folder.path(), "frames_sha256"), of_sidecars(at_once.path(), "frames_sha256"));
  EXPECT_EQ(of_sidecars(folder.path(), "fingerprint"), of_sidecars(at_once.path(), "fingerprint"));
  EXPECT_NE(of_sidecars(folder.path(), "frames_sha256"), frames_at_once(small_list(1, steps)));
  const Json record = of_sidecars(folder.path(), "how").begin()->second.at("model");
  EXPECT_EQ(record.at("high"), "high_fp16.safetensors");
  EXPECT_EQ(record.at("loras").at(0).at("file"), "peft.safetensors");
  EXPECT_EQ(record.at("loras").at(0).at("strength"), (Json{{"high", 1.0}, {"low", 1.0}}));
  EXPECT_EQ(record.at("loras").at(1).at("strength"), (Json{{"low", 0.5}}));
}

TEST(Drafts, AreFinishedInTheNumberFormatsOfTheirRun) {
  const Flags formats{"--device",           "cpu",          "--precision",       "fp8",
                      "--fp8-exact-blocks", "high:1,low:0", "--fp8-exact-steps", "2"};
  const TempFolder folder, at_once;
  for (const TempFolder* const each : {&folder, &at_once}) write_file(*each / "list.yaml", small_list(1, steps));
  ASSERT_EQ(draft(folder, formats).code, 0);
  const ProgramResult finished = wanfarm(folder, {"finish", "out"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  ASSERT_EQ(wanfarm(at_once, formats).code, 0);
  EXPECT_EQ(of_sidecars(folder.path(), "frames_sha256"), of_sidecars(at_once.path(), "frames_sha256"));
  EXPECT_EQ(of_sidecars(folder.path(), "fingerprint"), of_sidecars(at_once.path(), "fingerprint"));
  EXPECT_EQ(of_sidecars(folder.path(), "how").begin()->second.at("exact_blocks"), "high:1,low:0");
}

TEST(Drafts, ThatExistAreKeptAndLostOnesAreMadeFromTheirStates) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(2, steps));
  ASSERT_EQ(draft(folder).code, 0);
  const ProgramResult again = draft(folder);
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(named(again, "skipped"), "clip-1 clip-2 ");
  const std::string before = read_file(folder / "out/drafts/clip-2.y4m");
  std::filesystem::remove(folder / "out/drafts/clip-2.y4m");
  const ProgramResult one = draft(folder);
  EXPECT_EQ(named(one, "done"), "clip-2 ");
  EXPECT_EQ(read_file(folder / "out/drafts/clip-2.y4m"), before);
  const Json sidecar = Json::parse(read_file(folder / "out/drafts/clip-2.json"));
  EXPECT_EQ(sidecar.at("how").at("steps_resumed"), std::to_string(high_steps));
}

TEST(Drafts, AreWhatRenderGoesOnFrom) {
  const TempFolder folder;
  const std::string list = small_list(1, steps);
  write_file(folder / "list.yaml", list);
  ASSERT_EQ(draft(folder).code, 0);
  const ProgramResult whole = wanfarm(folder, {"--stop-at", "end"});
  EXPECT_EQ(named(whole, "done"), "clip-1 ");
  EXPECT_EQ(of_sidecars(folder.path(), "frames_sha256"), frames_at_once(list));
  EXPECT_EQ(of_sidecars(folder.path(), "how").at("clip-1.json").at("steps_resumed"), std::to_string(high_steps));
  const ProgramResult after = draft(folder);
  EXPECT_EQ(named(after, "skipped"), "clip-1 ") << "a finished clip needs no draft";
  EXPECT_EQ(files_in(folder / "out/drafts"), 0u);
}

TEST(Drafts, OnlyTheChosenOnesAreFinishedAndTheOthersStay) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(3, steps));
  ASSERT_EQ(draft(folder).code, 0);
  const ProgramResult some = wanfarm(folder, {"finish", "out", "--only", "2"});
  EXPECT_EQ(some.code, 0) << some.err;
  EXPECT_EQ(named(some, "done"), "clip-2 ");
  EXPECT_EQ(files_in(folder / "out/drafts"), 4u) << "two videos and their sidecars";
  const ProgramResult status = run(folder.path(), {"status", "out"});
  EXPECT_NE(status.out.find("with exit code 0 (1 of 3 clips are done)"), std::string::npos) << status.out;
  EXPECT_NE(status.out.find("] 33 %"), std::string::npos) << status.out;
  EXPECT_NE(status.out.find("finish out --threads 1 --device cpu"), std::string::npos)
      << "what is advised must be of use: " << status.out;
  const ProgramResult again = wanfarm(folder, {"finish", "out", "--only", "2"});
  EXPECT_EQ(again.code, 2);
  EXPECT_NE(again.err.find("--only: no draft that is left is '2' (they are numbered 1, 3)"), std::string::npos)
      << again.err;
  EXPECT_EQ(named(wanfarm(folder, {"finish", "out"}), "done"), "clip-1 clip-3 ");
}

TEST(Drafts, OfEqualClipsAreFinishedTogetherAndNothingIsRenamed) {
  const TempFolder folder;
  const std::string defaults = "defaults: {size: 32x32, frames: 5, steps: 8}\nprompts:\n";
  write_file(folder / "list.yaml", defaults +
                                       "  - {prompt: twice, name: a}\n"
                                       "  - {prompt: twice, name: b}\n"
                                       "  - {prompt: once, name: c, seed: 1}\n");
  ASSERT_EQ(draft(folder).code, 0);
  EXPECT_EQ(named(wanfarm(folder, {"finish", "out", "--only", "b"}), "done"), "a b ");
  write_file(folder / "list.yaml", defaults + "  - {prompt: once, name: d, seed: 1}\n");
  EXPECT_EQ(named(wanfarm(folder, {"--stop-at", "end"}), "done"), "d ") << "the same clip as c";
  const ProgramResult rest = wanfarm(folder, {"finish", "out"});
  EXPECT_EQ(rest.code, 0) << rest.err;
  std::string videos;
  for (const std::string& file : files_below(folder / "out"))
    if (file.ends_with(".y4m")) videos += file + " ";
  EXPECT_EQ(videos, "a.y4m b.y4m d.y4m drafts/c.y4m ");
}

TEST(Drafts, OfClipsWithStepsForOneExpertAloneAreFinishedAsWell) {
  const TempFolder folder;
  const std::string list =
      "defaults: {size: 32x32, frames: 5}\n"
      "prompts:\n"
      "  - {prompt: all steps are low, name: low, steps: 4, shift: 0.001}\n"
      "  - {prompt: all steps are high, name: high, steps: 1}\n"
      "  - {prompt: without memory of two steps, name: dpm, steps: 4, solver: dpm++}\n"
      "  - {prompt: without memory of two steps, name: twin, steps: 4, solver: dpm++}\n";
  write_file(folder / "list.yaml", list);
  const ProgramResult drafted = draft(folder);
  ASSERT_EQ(drafted.code, 0) << drafted.err;
  EXPECT_EQ(files_in(folder / "out/drafts"), 8u);
  const ProgramResult finished = wanfarm(folder, {"finish", "out"});
  EXPECT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(of_sidecars(folder.path(), "frames_sha256"), frames_at_once(list));
}

TEST(Drafts, AreNotFinishedAsOtherClipsThanTheyWereMadeFor) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(1, steps));
  const ProgramResult none = wanfarm(folder, {"finish", "out"});
  EXPECT_EQ(none.code, 2);
  EXPECT_NE(none.err.find("has no drafts"), std::string::npos) << none.err;
  ASSERT_EQ(draft(folder).code, 0);
  const ProgramResult precision = wanfarm(folder, {"finish", "out", "--precision", "exact"});
  EXPECT_EQ(precision.code, 2);
  EXPECT_NE(precision.err.find("give --precision reference"), std::string::npos) << precision.err;
  const ProgramResult model = wanfarm(folder, {"finish", "out", "--model", Path(WF_REPOSITORY) / "models/shapes"});
  EXPECT_EQ(model.code, 2);
  EXPECT_NE(model.err.find("another model"), std::string::npos) << model.err;
  EXPECT_EQ(files_in(folder / "out/drafts"), 2u);
}

TEST(ManyRanks, DraftAndFinishAListInPools) {
  const TempFolder folder;
  const std::string list = small_list(4, steps);
  write_file(folder / "list.yaml", list);
  const ProgramResult drafted =
      render(folder, 3, {"--placement", "pipeline", "--stop-at", "boundary", "--trace", "trace.json"});
  ASSERT_EQ(drafted.code, 0) << drafted.err;
  expect_one_expert_loaded(folder);
  EXPECT_EQ(files_in(folder / "out/drafts"), 8u);
  const ProgramResult finished = run(
      folder.path(), {"finish", "out", "--ranks", "3", "--threads", "1", "--device", "cpu", "--placement", "pipeline"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(of_sidecars(folder.path(), "frames_sha256"), frames_at_once(list));
  EXPECT_EQ(files_in(folder / "out/.wanfarm/store"), 0u);
}

}  // namespace
}  // namespace wf
