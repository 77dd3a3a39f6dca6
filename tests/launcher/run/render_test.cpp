// tests/launcher/run/render_test.cpp: lists become videos, once; results, failures and repetition.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "jobs/output/publish.hpp"
#include "pipeline/video/video_writer.hpp"
#include "pipeline/weights/model_files.hpp"
#include "tests/launcher/program.hpp"
#include "tests/text.hpp"

namespace wf {
namespace {

using Json = nlohmann::json;

ProgramResult render(const TempFolder& folder, std::vector<std::string> flags = {}) {
  std::vector<std::string> arguments{"render",    "list.yaml", "--model", golden_model_folder(), "--output", "out",
                                     "--threads", "1",         "--json"};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  return run(folder.path(), arguments);
}

TEST(Render, AListBecomesVideosAndSidecars) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(2));
  const ProgramResult outcome = render(folder, {"--save-latents", "--png"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const std::vector<Json> said = json_lines_of(outcome.out);
  ASSERT_EQ(said.size(), 3u) << outcome.out;
  EXPECT_EQ(said[2].at("summary").at("done"), 2);
  for (int i = 1; i <= 2; ++i) {
    const std::string name = "clip-" + std::to_string(i);
    const Json sidecar = Json::parse(read_file(folder / "out" / (name + ".json")));
    EXPECT_EQ(sidecar.at("frames_sha256"), said[i - 1].at("frames_sha256"));
    const auto video = read_video(folder / "out" / said[i - 1].at("file").get<std::string>());
    EXPECT_EQ(video->info().width, 32);
    const bool job_is_inside = video->info().comment.find("clip number " + std::to_string(i)) != std::string::npos;
    EXPECT_EQ(job_is_inside, have_ffmpeg()) << "Y4M alone has no room for it";
    EXPECT_TRUE(std::filesystem::exists(folder / "out" / (name + ".h5")));
    EXPECT_TRUE(std::filesystem::exists(folder / "out" / name / "00005.png"));
  }
  for (const std::string file : {"results.csv", "results.jsonl", "metrics.prom"})
    EXPECT_TRUE(std::filesystem::exists(folder / "out" / file)) << file;
  EXPECT_FALSE(std::filesystem::exists(folder / "out/failed.yaml"));
  EXPECT_TRUE(std::filesystem::exists(folder / "out/log/rank-000.log"));
}

TEST(Render, VerboseShowsWhatRanksDoAndNotTheStatisticsOfEncoders) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(1));
  const ProgramResult outcome = render(folder, {"--verbose", "--codec", have_ffmpeg() ? "h264" : "y4m"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.err.find(" debug "), std::string::npos) << outcome.err;
  EXPECT_EQ(outcome.err.find("FFmpeg:"), std::string::npos) << outcome.err;
  EXPECT_EQ(read_file(folder / "out/log/rank-000.log").find("FFmpeg:"), std::string::npos);
}

TEST(Render, AFinishedClipIsRenderedAgainOnlyByForce) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(2));
  const std::vector<Json> first = json_lines_of(render(folder, {"--limit", "1"}).out);
  ASSERT_EQ(first.size(), 2u);
  const auto written = [&] { return std::filesystem::last_write_time(folder / "out/clip-1.json"); };
  const auto before = written();

  const std::vector<Json> second = json_lines_of(render(folder).out);
  ASSERT_EQ(second.size(), 3u);
  EXPECT_EQ(second[0].at("status"), "skipped");
  EXPECT_EQ(second[1].at("status"), "done");
  EXPECT_EQ(written(), before);

  const std::vector<Json> forced = json_lines_of(render(folder, {"--force"}).out);
  ASSERT_EQ(forced.size(), 3u);
  EXPECT_EQ(forced[0].at("status"), "done");
  EXPECT_NE(written(), before);
  EXPECT_EQ(forced[0].at("frames_sha256"), first[0].at("frames_sha256"));
}

TEST(Render, ADifferentRequestUnderTheSameNameIsRenderedAnew) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(1));
  const std::vector<Json> first = json_lines_of(render(folder).out);
  const std::vector<Json> other = json_lines_of(render(folder, {"--seed", "5"}).out);
  ASSERT_EQ(other.size(), 2u);
  EXPECT_EQ(other[0].at("status"), "done");
  EXPECT_NE(other[0].at("frames_sha256"), first[0].at("frames_sha256"));
}

/// The files and folders of clip-1, in their order.
std::vector<std::string> files_of_clip_1(const TempFolder& folder) {
  std::vector<std::string> files = files_below(folder / "out");
  std::erase_if(files, [](const std::string& file) { return !file.starts_with("clip-1"); });
  return files;
}

TEST(Render, NoFileOfTheReplacedClipStaysUnderItsName) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(1));
  ASSERT_EQ(render(folder, {"--codec", "y4m", "--steps", "3", "--save-latents", "--png"}).code, 0);
  EXPECT_EQ(files_of_clip_1(folder).size(), 4u + 5u) << "sidecar, video, latents, the folder of five frames";
  const ProgramResult other = render(folder, {"--codec", "y4m"});
  ASSERT_EQ(other.code, 0) << other.err;
  EXPECT_EQ(files_of_clip_1(folder), (std::vector<std::string>{"clip-1.json", "clip-1.y4m"}));
  const std::vector<Json> said = json_lines_of(render(folder, {"--codec", "y4m", "--save-latents"}).out);
  EXPECT_EQ(said[0].at("status"), "done") << "it has no latents yet";
  EXPECT_EQ(files_of_clip_1(folder), (std::vector<std::string>{"clip-1.h5", "clip-1.json", "clip-1.y4m"}));
}

TEST(Render, TheFilesOfAClipAreThoseOfEveryCodec) {
  const std::vector<std::string> files = wf::files_of_clip("kite");
  EXPECT_EQ(files.front(), "kite.json") << "it goes first";
  for (const VideoCodec codec : all_codecs)
    EXPECT_EQ(std::ranges::count(files, "kite." + file_ending(codec)), 1) << to_string(codec);
}

/// As a kill leaves them between the video and the sidecar.
TEST(Render, FilesWithoutASidecarAreReplacedAsWell) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(1));
  ASSERT_EQ(render(folder, {"--codec", "y4m", "--steps", "3", "--save-latents"}).code, 0);
  std::filesystem::remove(folder / "out/clip-1.json");
  ASSERT_EQ(render(folder, {"--codec", "y4m"}).code, 0);
  EXPECT_EQ(files_of_clip_1(folder), (std::vector<std::string>{"clip-1.json", "clip-1.y4m"}));
}

TEST(Render, AFinishedClipThatLacksWhatIsAskedForIsRenderedAgain) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(2));
  ASSERT_EQ(render(folder, {"--codec", "y4m"}).code, 0);
  const std::vector<std::string> more{"--codec", "y4m", "--save-latents", "--png"};
  std::vector<std::string> dry = more;
  dry.emplace_back("--dry-run");
  const std::vector<Json> told = json_lines_of(render(folder, dry).out);
  EXPECT_EQ(told[0].at("status"), "waiting");
  EXPECT_EQ(told[0].at("lacks"), (Json{"latents", "frames"}));
  const ProgramResult again = render(folder, more);
  EXPECT_TRUE(
      contains(again.err, "2 finished clips lack what is asked for (frames, latents) and will be rendered again"))
      << again.err;
  EXPECT_EQ(json_lines_of(again.out).back().at("summary").at("done"), 2);
  EXPECT_TRUE(std::filesystem::exists(folder / "out/clip-2.h5"));
  EXPECT_TRUE(std::filesystem::exists(folder / "out/clip-2/00005.png"));
  EXPECT_EQ(json_lines_of(render(folder, more).out).back().at("summary").at("skipped"), 2);
  EXPECT_EQ(json_lines_of(render(folder, {"--codec", "y4m"}).out).back().at("summary").at("skipped"), 2)
      << "more than is asked for is no fault";
}

TEST(Render, FinishedClipsOfOtherValuesAreNamedBeforeTheyAreReplaced) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(2));
  ASSERT_EQ(render(folder, {"--tf32", "--steps", "3"}).code, 0);
  const std::string told = "2 finished clips have other values (steps, tf32) and will be replaced";
  const ProgramResult dry =
      run(folder.path(), {"render", "list.yaml", "--model", golden_model_folder(), "--output", "out", "--dry-run"});
  EXPECT_TRUE(contains(dry.out, told)) << dry.out;
  EXPECT_TRUE(contains(dry.out, "clip-2  (replaces a clip of other values: steps, tf32)")) << dry.out;
  EXPECT_EQ(json_lines_of(render(folder, {"--dry-run"}).out)[0].at("replaces"), (Json{"steps", "tf32"}));
  EXPECT_TRUE(contains(render(folder, {"--limit", "1"}).err, "1 finished clip has other values (steps, tf32)"));
  const ProgramResult rest = render(folder);
  EXPECT_TRUE(contains(rest.err, "1 finished clip has other values (steps, tf32)")) << rest.err;
  EXPECT_FALSE(contains(render(folder).err, "other values")) << "nothing is left to replace";
}

/// A list without names, whose clips are then called after their place in it.
std::string unnamed_list(const std::vector<std::string>& prompts) {
  std::string list = "defaults: {size: 16x16, frames: 1, steps: 2}\nprompts:\n";
  for (const std::string& prompt : prompts) list += "  - " + prompt + "\n";
  return list;
}

/// By prompt, which edits of a list do not change.
std::map<std::string, std::string> frames_by_prompt(const TempFolder& folder) {
  std::map<std::string, std::string> frames;
  for (const std::string& file : files_below(folder / "out"))
    if (file.ends_with(".json") && file.find(".wanfarm") == std::string::npos) {
      const Json sidecar = Json::parse(read_file(folder / "out" / file));
      frames[sidecar.at("job").at("prompt")] = sidecar.at("frames_sha256");
    }
  return frames;
}

TEST(Render, AnEditedListRendersOnlyWhatIsNew) {
  const TempFolder folder;
  write_file(folder / "list.yaml", unnamed_list({"rain", "snow"}));
  ASSERT_EQ(render(folder).code, 0);
  const auto before = frames_by_prompt(folder);
  write_file(folder / "list.yaml", unnamed_list({"wind", "snow", "rain"}));

  const std::vector<Json> told = json_lines_of(render(folder, {"--dry-run"}).out);
  EXPECT_EQ(told[0].at("status"), "waiting");
  EXPECT_EQ(told[1].at("status"), "finished") << "snow has the same place as before";
  EXPECT_EQ(told[2].at("status"), "renamed");
  EXPECT_EQ(told[2].at("of"), "0001-rain-s42");

  const std::vector<Json> said = json_lines_of(render(folder).out);
  EXPECT_EQ(said.back().at("summary").at("done"), 1);
  EXPECT_EQ(said.back().at("summary").at("skipped"), 2);
  auto after = frames_by_prompt(folder);
  EXPECT_EQ(after.erase("wind"), 1u);
  EXPECT_EQ(after, before);
  EXPECT_TRUE(std::filesystem::exists(folder / "out/0003-rain-s42.json"));
  EXPECT_FALSE(std::filesystem::exists(folder / "out/0001-rain-s42.json"));
}

TEST(Render, AClipThatIsTwiceInTheListIsRenderedOnce) {
  const TempFolder folder;
  write_file(folder / "list.yaml", unnamed_list({"rain", "snow", "rain"}));
  EXPECT_EQ(json_lines_of(render(folder, {"--dry-run"}).out)[2].at("status"), "copy");
  const ProgramResult outcome = render(folder);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(json_lines_of(outcome.out).back().at("summary").at("done"), 3);
  const Path first = folder / "out/0001-rain-s42", third = folder / "out/0003-rain-s42";
  const Json sidecar = Json::parse(read_file(third.string() + ".json"));
  EXPECT_EQ(sidecar.at("job").at("name"), "0003-rain-s42");
  const std::string video = sidecar.at("video").at("file");
  EXPECT_EQ(video.rfind("0003-rain-s42.", 0), 0u);
  EXPECT_TRUE(std::filesystem::equivalent(folder / "out" / video, first.string() + Path(video).extension().string()));
  EXPECT_EQ(json_lines_of(render(folder).out).back().at("summary").at("skipped"), 3);
}

TEST(Render, DryRunKnowsWhatIsFinished) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(2));
  ASSERT_EQ(render(folder, {"--only", "clip-2"}).code, 0);
  const std::vector<std::string> before = files_below(folder.path());
  const std::vector<Json> said = json_lines_of(render(folder, {"--dry-run"}).out);
  EXPECT_EQ(said[0].at("status"), "waiting");
  EXPECT_EQ(said[1].at("status"), "finished");
  EXPECT_EQ(files_below(folder.path()), before);
}

TEST(Render, RandomSeedsAreDrawnOnce) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(1));
  const std::vector<Json> first = json_lines_of(render(folder, {"--seed", "random"}).out);
  const std::vector<Json> second = json_lines_of(render(folder, {"--seed", "random"}).out);
  EXPECT_EQ(second[0].at("status"), "skipped");
  EXPECT_EQ(second[0].at("seed"), first[0].at("seed"));
}

TEST(Render, DrawnSeedsAreKnownBeforeAPartOfTheListIsSelected) {
  const TempFolder folder;
  write_file(folder / "list.yaml",
             "defaults: {size: 16x16, frames: 1, steps: 2, seed: random}\nprompts: [rain, snow, rain]\n");
  const std::vector<Json> third = json_lines_of(render(folder, {"--only", "3"}).out);
  ASSERT_EQ(third.size(), 2u);
  const std::vector<Json> all = json_lines_of(render(folder).out);
  ASSERT_EQ(all.size(), 4u);
  std::map<std::string, std::string> seeds;
  for (int i = 0; i < 3; ++i) seeds[all[i].at("name").get<std::string>().substr(0, 4)] = all[i].at("seed").dump();
  EXPECT_EQ(seeds.at("0003"), third[0].at("seed").dump()) << "equal jobs are told apart in the whole list";
  EXPECT_NE(seeds.at("0001"), seeds.at("0003"));
  const std::vector<std::string> before = files_below(folder.path());

  for (const Json& clip : json_lines_of(render(folder, {"--dry-run"}).out))
    if (clip.contains("status")) {
      EXPECT_EQ(clip.at("status"), "finished") << clip;
    }
  const std::string name = "0003-rain-s" + seeds.at("0003");
  for (const std::string& only : {name, std::string("3")}) {
    const ProgramResult chosen = render(folder, {"--only", only});
    EXPECT_EQ(chosen.code, 0) << chosen.err;
    EXPECT_EQ(json_lines_of(chosen.out)[0].at("status"), "skipped");
    EXPECT_EQ(json_lines_of(chosen.out)[0].at("name"), name);
  }
  EXPECT_EQ(files_below(folder.path()), before) << "nothing is renamed";
  write_file(folder / "list.yaml", "output: out\n" + read_file(folder / "list.yaml"));
  const ProgramResult plan = run(folder.path(), {"plan", "list.yaml", "--model", golden_model_folder(), "--gpus", "1",
                                                 "--gpu", "cpu", "--only", name});
  EXPECT_EQ(plan.code, 0) << plan.err;
}

TEST(Render, AFailingClipDoesNotStopTheOthers) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(1) + "  - {prompt: too" + too_many_words() + ", name: too-much}\n");
  const ProgramResult outcome = render(folder, {"--model", model_of_shorter_texts(folder.path())});
  EXPECT_EQ(outcome.code, 1) << outcome.err;
  const std::vector<Json> said = json_lines_of(outcome.out);
  EXPECT_EQ(said.back().at("summary").at("done"), 1);
  EXPECT_EQ(said.back().at("summary").at("failed"), 1);
  EXPECT_NE(outcome.err.find("job too-much"), std::string::npos) << outcome.err;
  EXPECT_FALSE(std::filesystem::exists(folder / "out/too-much.json"));
}

TEST(Render, AModelThatIsNotThereExitsWith3AndWritesNothing) {
  const TempFolder folder;
  write_file(folder / "list.yaml", "model: models/none\n" + small_list(1));
  const ProgramResult outcome = run(folder.path(), {"render", "list.yaml"});
  EXPECT_EQ(outcome.code, 3) << outcome.err;
  EXPECT_NE(outcome.err.find("models/none"), std::string::npos) << outcome.err;
  EXPECT_EQ(files_below(folder.path()).size(), 1u);
}

TEST(Render, WithoutAModelTheOneThatComesWithWanfarmIsTaken) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(1));
  const ProgramResult outcome =
      run(folder.path(), {"render", "list.yaml", "--codec", have_ffmpeg() ? "ffv1" : "y4m", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json sidecar = Json::parse(read_file(folder / "renders/clip-1.json"));
  const ModelFiles shipped = find_model({Path(WF_REPOSITORY) / "models/shapes"});
  EXPECT_EQ(sidecar.at("recipe").at("model_id"), identity(shipped));
  const auto video = read_video(folder / "renders" / json_lines_of(outcome.out)[0].at("file").get<std::string>());
  std::vector<std::uint8_t> frame(32 * 32 * 3);
  ASSERT_TRUE(video->next(frame));
  const auto [least, most] = std::minmax_element(frame.begin(), frame.end());
  EXPECT_GT(*most - *least, 32) << "the picture is flat";
}

TEST(Render, ARandomModelIsMadeAndSaid) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(1));
  const ProgramResult outcome = run(folder.path(), {"render", "list.yaml", "--model", "random:tiny"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("random weights"), std::string::npos) << outcome.err;
  EXPECT_TRUE(std::filesystem::exists(folder / "models/random-tiny/low_noise_model/config.json"));
}

TEST(Render, QuietSaysNothingAndLinesHaveNoCarriageReturn) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(1));
  const ProgramResult outcome = render(folder);
  EXPECT_EQ(outcome.err.find('\r'), std::string::npos);
  EXPECT_NE(outcome.err.find("clip-1"), std::string::npos) << outcome.err;
  EXPECT_TRUE(render(folder, {"--quiet", "--force"}).err.empty());
}

/// What is left of fp8 when all blocks are exact is nothing, and the sidecar tells which ones were.
TEST(Render, WithAllBlocksExactFp8GivesTheFramesOfExact) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(1));
  const auto rendered = [&](const std::string& output, const std::vector<std::string>& flags) {
    std::vector<std::string> all{"--output", output, "--device", "cpu", "--fp8-exact-steps", "0"};
    all.insert(all.end(), flags.begin(), flags.end());
    const ProgramResult outcome = render(folder, all);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return Json::parse(read_file(folder / output / "clip-1.json"));
  };
  const Json exact = rendered("exact", {"--precision", "exact"});
  const Json both = rendered("both", {"--precision", "fp8", "--fp8-exact-blocks", "0-1"});
  const Json low = rendered("low", {"--precision", "fp8", "--fp8-exact-blocks", "low:0,1"});
  EXPECT_EQ(both.at("frames_sha256"), exact.at("frames_sha256"));
  EXPECT_NE(low.at("frames_sha256"), exact.at("frames_sha256")) << "both steps are the high-noise expert's";
  EXPECT_EQ(both.at("recipe").at("fp8_exact_blocks"), "0,1");
  EXPECT_EQ(both.at("how").at("exact_blocks"), "0,1");
  EXPECT_EQ(low.at("how").at("exact_blocks"), "low:0,1");
  EXPECT_FALSE(exact.at("recipe").contains("fp8_exact_blocks"));
}

TEST(Generate, WritesTheFileThatWasNamed) {
  const TempFolder folder;
  const std::string file = "here/kite." + file_ending(default_codec());
  const ProgramResult outcome =
      run(folder.path(), {"generate", "--prompt", "A red kite", "--ckpt_dir", golden_model_folder(), "--size", "32*32",
                          "--frame_num", "5", "--sample_steps", "2", "--base_seed", "3", "--save_file", file});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(std::filesystem::exists(folder / file));
}

TEST(Compare, AVideoEqualsItself) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(1));
  const std::string file = "out/" + json_lines_of(render(folder).out)[0].at("file").get<std::string>();
  const ProgramResult outcome = run(folder.path(), {"compare", file, file});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("MAE   0 "), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("SSIM  1\n"), std::string::npos) << outcome.out;
}

}  // namespace
}  // namespace wf
