// tests/jobs/output/publish_test.cpp: the files in the output folder at any moment of a run, also of one that is
// killed.
#include "jobs/output/publish.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <set>

#include "jobs/list/job_list.hpp"
#include "jobs/output/drafts.hpp"
#include "jobs/output/finished.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

const Recipe recipe{"model", "exact"};

void put(const Path& path, const std::string& content) { std::ofstream(path, std::ios::binary) << content; }

Job a_job(const std::string& name) {
  Job job = make_job("Rain", {});
  job.name = name;
  return job;
}

Sidecar sidecar_of(const Job& job, const std::string& video) {
  Sidecar sidecar;
  sidecar.job = job;
  sidecar.recipe = recipe;
  sidecar.fingerprint = fingerprint(job, recipe);
  sidecar.video_file = job.name + ".mp4";
  sidecar.video_bytes = video.size();
  sidecar.seconds = {{"high", 1.5}, {"low", 0.25}};
  return sidecar;
}

/// Does what the writer of a clip and the program do.
void make_clip(RunFolder& run, const Job& job, const std::string& video = "video") {
  put(run.part(job.name + ".mp4"), video);
  run.publish(job.name + ".mp4");
  run.finish(sidecar_of(job, video));
}

std::set<std::string> visible(const Path& folder) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().filename() != ".wanfarm") names.insert(entry.path().filename().string());
  return names;
}

class Publish : public ::testing::Test {
 protected:
  ~Publish() override { inject_file_faults({}); }
  bool finished(const RunFolder& run, const Job& job) const {
    return find_finished(run.output(), {job}, {fingerprint(job, recipe)}, {.other_names = false}).contains(0);
  }
  test::TempFolder folder;
  const Path output = folder / "deep/renders";
};

TEST_F(Publish, AFinishedClipIsFoundByTheNextRun) {
  const Job job = a_job("rain");
  {
    RunFolder run(output);
    EXPECT_FALSE(finished(run, job));
    const Path state = run.stored_state(fingerprint(job, recipe));
    put(state, "state");
    make_clip(run, job);
    EXPECT_TRUE(finished(run, job));
    EXPECT_FALSE(std::filesystem::exists(state));
  }
  EXPECT_EQ(visible(output), (std::set<std::string>{"rain.mp4", "rain.json"}));
  RunFolder next(output);
  EXPECT_TRUE(finished(next, job));
}

TEST_F(Publish, AChangedJobOrVideoIsNotFinished) {
  RunFolder run(output);
  Job job = a_job("rain");
  make_clip(run, job);
  Job changed = job;
  changed.steps = 8;
  EXPECT_FALSE(finished(run, changed));
  put(output / "rain.mp4", "vid");
  EXPECT_FALSE(finished(run, job)) << "the video is shorter than recorded";
  std::filesystem::remove(output / "rain.mp4");
  EXPECT_FALSE(finished(run, job)) << "the video is gone";
  put(output / "rain.mp4", "video");
  EXPECT_TRUE(finished(run, job));
  put(output / "rain.json", "{");
  EXPECT_FALSE(finished(run, job)) << "the sidecar is broken";
}

TEST_F(Publish, AnOlderSidecarIsRemovedBeforeTheNewVideoAppears) {
  RunFolder run(output);
  const Job job = a_job("v1.2");
  make_clip(run, job, "old");
  put(run.part("v1.2.mp4"), "new");
  run.publish("v1.2.mp4");
  EXPECT_EQ(read_file(output / "v1.2.mp4"), "new");
  EXPECT_FALSE(finished(run, job)) << "same size, same job, but not finished yet";
}

TEST_F(Publish, APublishedFolderReplacesAnOlderOne) {
  RunFolder run(output);
  for (const std::string frame : {"00001.png", "00002.png"}) {
    make_folder(run.part("rain"));
    put(run.part("rain") / frame, "pixels");
    run.publish("rain");
  }
  EXPECT_EQ(visible(output / "rain"), (std::set<std::string>{"00002.png"}));
}

TEST_F(Publish, AFolderOfAUserIsNotReplacedByFrames) {
  RunFolder run(output);
  for (const std::string file : {"notes.txt", "1.png", "00001.png.txt", "0000a.png", "more/00001.png"}) {
    make_folder((output / "rain" / file).parent_path());
    put(output / "rain" / file, "mine");
    put(output / "rain/00001.png", "mine, too");
    make_folder(run.part("rain"));
    try {
      run.publish("rain");
      ADD_FAILURE() << file << " was taken for a frame";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Error::input);
      EXPECT_EQ(std::string(error.what()).find((output / "rain").string()), 0u) << error.what();
    }
    EXPECT_EQ(read_file(output / "rain" / file), "mine");
    std::filesystem::remove_all(output / "rain");
  }
}

TEST_F(Publish, WorkOfAnEarlierRunIsRemovedAndStoredStatesStay) {
  {
    RunFolder run(output);
    put(run.part("rain.mp4"), "half");
    make_folder(run.part("frames"));
    put(run.stored_state("rain"), "state");
  }
  RunFolder next(output);
  EXPECT_FALSE(std::filesystem::exists(next.part("rain.mp4")));
  EXPECT_FALSE(std::filesystem::exists(next.part("frames")));
  EXPECT_EQ(read_file(next.stored_state("rain")), "state");
}

TEST_F(Publish, WhatLostRanksDidNotFinishIsSwept) {
  const RunFolder run(output);
  put(run.part("rain.mp4"), "half");
  const Path store = output / ".wanfarm/store";
  put(store / "abc.h5", "state");
  put(store / "abc.h5.123.part", "half a state");
  run.sweep();
  EXPECT_EQ(visible(output / ".wanfarm/work"), std::set<std::string>{});
  EXPECT_EQ(visible(store), std::set<std::string>{"abc.h5"});
}

/// Does what the writer of a draft does.
void make_draft(const RunFolder& run, const Job& job, const std::string& video = "draft") {
  make_draft_folders(run);
  const std::string file = draft_file(job.name + ".mp4");
  put(run.part(file), video);
  run.publish(file);
  Sidecar sidecar = sidecar_of(job, video);
  sidecar.video_file = file;
  finish_draft(run, sidecar);
}

TEST_F(Publish, ADraftIsNoFinishedClipAndGoesWhenItsClipIsFinished) {
  RunFolder run(output);
  const Job rain = a_job("rain"), snow = a_job("snow.at.night");
  for (const Job& job : {rain, snow}) make_draft(run, job);
  const Path state = run.stored_state(fingerprint(rain, recipe));
  put(state, "state");
  EXPECT_FALSE(finished(run, rain));
  EXPECT_EQ(visible(output / "drafts"),
            (std::set<std::string>{"rain.mp4", "rain.json", "snow.at.night.mp4", "snow.at.night.json"}));
  ASSERT_EQ(find_drafts(output).size(), 2u);
  EXPECT_EQ(find_drafts(output)[0].job.name, "rain");
  EXPECT_EQ(find_drafts(output)[0].video_file, "rain.mp4");
  make_draft(run, snow, "another draft");
  EXPECT_EQ(find_draft(output, snow.name)->video_bytes, 13u);
  EXPECT_TRUE(std::filesystem::exists(state));

  make_clip(run, rain);
  EXPECT_EQ(visible(output / "drafts"), (std::set<std::string>{"snow.at.night.mp4", "snow.at.night.json"}));
  Job changed = snow;
  changed.prompt = "Snow by day";
  make_clip(run, changed);
  EXPECT_TRUE(find_draft(output, snow.name)) << "it is a draft of another clip";
}

TEST_F(Publish, ADraftWithoutItsWholeVideoIsNone) {
  const RunFolder run(output);
  make_draft(run, a_job("rain"));
  put(output / "drafts/rain.mp4", "dra");
  EXPECT_FALSE(find_draft(output, "rain"));
  put(output / "drafts/rain.json", "{}");
  EXPECT_TRUE(find_drafts(output).empty());
}

TEST_F(Publish, ASecondRunInAFolderIsRefusedWithExitCode3) {
  const RunFolder run(output);
  try {
    RunFolder second(output);
    FAIL() << "two runs hold one folder";
  } catch (const Error& error) {
    EXPECT_EQ(exit_code(error.kind()), 3);
  }
}

TEST_F(Publish, AFaultAtAnyStepLeavesTheClipUnfinishedAndNothingPartial) {
  for (const FileStep step : {FileStep::open, FileStep::write, FileStep::flush, FileStep::rename}) {
    RunFolder run(output);
    const Job job = a_job("rain-" + std::to_string(static_cast<int>(step)));
    put(run.part(job.name + ".mp4"), "video");
    inject_file_faults([=](FileStep at, const Path&) { return at == step ? ENOSPC : 0; });
    try {
      run.publish(job.name + ".mp4");
      run.finish(sidecar_of(job, "video"));
      ADD_FAILURE() << "the fault was not reported";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Error::storage);
    }
    inject_file_faults({});
    EXPECT_FALSE(finished(run, job));
    for (const std::string& name : visible(output)) EXPECT_EQ(name.find(".part"), std::string::npos) << name;
  }
}

/// Makes clips until the process is killed.
[[noreturn]] void render_forever(const Path& output) {
  RunFolder run(output);
  for (int i = 0;; ++i)
    make_clip(run, a_job("clip-" + std::to_string(i % 5)), std::string(100'000, static_cast<char>('a' + i % 26)));
}

TEST_F(Publish, AKillAtAnyMomentLeavesOnlyWholeFiles) {
  for (int kill = 0; kill < 20; ++kill) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) render_forever(output);
    for (int i = 0; i < 60'000 && !std::filesystem::exists(output / "clip-0.json"); ++i) ::usleep(500);
    ::usleep(static_cast<useconds_t>(kill * 1'700));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    for (const std::string& name : visible(output)) {
      EXPECT_EQ(name.find(".part"), std::string::npos) << name;
      if (name.ends_with(".mp4")) {
        EXPECT_EQ(std::filesystem::file_size(output / name), 100'000u) << name;
      }
      if (name.ends_with(".json")) {
        EXPECT_TRUE(std::filesystem::exists(output / read_sidecar(output / name).video_file)) << name;
      }
    }
    EXPECT_NO_THROW(RunFolder{output}) << "the next run must start";
  }
}

/// Makes the clip with every file that one may have, or with a video in another codec alone. The content of each file
/// is the number of steps.
void make_clip_of(const RunFolder& run, int steps, bool with_all) {
  Job job = a_job("rain");
  job.steps = steps;
  const std::string content = std::to_string(steps), video = with_all ? "rain.mp4" : "rain.mkv";
  put(run.part(video), content);
  if (with_all) {
    put(run.part("rain.h5"), content);
    make_folder(run.part("rain"));
    put(run.part("rain") / "00001.png", content);
  }
  run.publish_video(video, Earlier::maybe);
  if (with_all)
    for (const char* const file : {"rain.h5", "rain"}) run.publish(file);
  Sidecar sidecar = sidecar_of(job, content);
  sidecar.video_file = video;
  run.finish(sidecar);
}

std::set<std::string> files_of(bool with_all) {
  if (with_all) return {"rain", "rain.h5", "rain.json", "rain.mp4"};
  return {"rain.json", "rain.mkv"};
}

/// What the sidecar vouches for is there, and nothing else of the clip's name. Without a sidecar there is no clip.
void expect_one_clip_at_most(const Path& output) {
  if (!std::filesystem::exists(output / "rain.json")) return;
  const std::string steps = std::to_string(read_sidecar(output / "rain.json").job.steps);
  EXPECT_EQ(visible(output), files_of(steps.size() == 1));
  for (const char* const file : {"rain.mp4", "rain.mkv", "rain.h5", "rain/00001.png"})
    if (std::filesystem::exists(output / file)) {
      EXPECT_EQ(read_file(output / file), steps) << file;
    }
}

TEST_F(Publish, AClipTakesThePlaceOfAllFilesOfItsName) {
  const RunFolder run(output);
  for (const bool with_all : {true, false, true}) {
    make_clip_of(run, with_all ? 8 : 40, with_all);
    EXPECT_EQ(visible(output), files_of(with_all));
    expect_one_clip_at_most(output);
  }
  put(output / "rain/notes.txt", "mine");
  put(output / "rain.txt", "mine");
  put(output / "rainbow.h5", "of another clip");
  make_clip_of(run, 40, false);
  EXPECT_EQ(visible(output), (std::set<std::string>{"rain", "rain.json", "rain.mkv", "rain.txt", "rainbow.h5"}));
  EXPECT_EQ(visible(output / "rain"), std::set<std::string>{"notes.txt"}) << "frames alone are a clip's";
}

TEST_F(Publish, ADraftTakesThePlaceOfAllFilesOfItsName) {
  const RunFolder run(output);
  make_draft(run, a_job("rain"));
  put(run.part("drafts/rain.mkv"), "another draft");
  run.publish_video("drafts/rain.mkv", Earlier::maybe);
  EXPECT_EQ(visible(output / "drafts"), std::set<std::string>{"rain.mkv"});
}

TEST_F(Publish, AFaultAtAnyStepLeavesNoSidecarOverFilesOfOtherValues) {
  for (const bool with_all : {true, false}) {
    const RunFolder run(output);
    make_clip_of(run, with_all ? 40 : 8, !with_all);
    int steps = 0;
    inject_file_faults([&](FileStep, const Path&) { return ++steps, 0; });
    make_clip_of(run, with_all ? 8 : 40, with_all);
    ASSERT_GT(steps, 3);
    for (int fault = 1; fault <= steps; ++fault) {
      inject_file_faults({});
      make_clip_of(run, with_all ? 40 : 8, !with_all);
      int step = 0;
      inject_file_faults([&](FileStep, const Path&) { return ++step == fault ? EIO : 0; });
      EXPECT_THROW(make_clip_of(run, with_all ? 8 : 40, with_all), Error) << "step " << fault;
      expect_one_clip_at_most(output);
    }
    inject_file_faults({});
  }
}

TEST_F(Publish, AKillAtAnyMomentLeavesNoSidecarOverFilesOfOtherValues) {
  for (int kill = 0; kill < 20; ++kill) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const RunFolder run(output);
      for (bool with_all = true;; with_all = !with_all) make_clip_of(run, with_all ? 8 : 40, with_all);
    }
    for (int i = 0; i < 60'000 && !std::filesystem::exists(output / "rain.json"); ++i) ::usleep(500);
    ::usleep(static_cast<useconds_t>(kill * 1'700));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    expect_one_clip_at_most(output);
  }
}

TEST_F(Publish, RandomSeedsAreDrawnOnceAndFollowTheirJob) {
  const auto jobs = [](const std::string& yaml) { return parse_job_list(yaml, "list.yaml").jobs; };
  auto first = jobs(
      "defaults: {seed: random}\nprompts: [A kite, Rain, Rain, {prompt: Wind, samples: 2, name: wind}, {prompt: Sun, "
      "seed: 5}]");
  {
    RunFolder run(output);
    run.draw_seeds(first, seed_keys(first));
  }
  std::set<std::int64_t> drawn;
  for (const Job& job : first) {
    ASSERT_TRUE(job.seed);
    EXPECT_GE(*job.seed, 0);
    EXPECT_TRUE(drawn.insert(*job.seed).second) << "equal jobs have seeds of their own";
    EXPECT_FALSE(needs_seed(job.name));
  }
  EXPECT_EQ(first[0].name, "0001-a-kite-s" + std::to_string(*first[0].seed));
  EXPECT_EQ(first[3].name, "wind-s" + std::to_string(*first[3].seed));
  EXPECT_EQ(first[5].seed, 5);

  auto second = jobs("defaults: {seed: random}\nprompts: [Rain, New, A kite]");
  RunFolder run(output);
  run.draw_seeds(second, seed_keys(second));
  EXPECT_EQ(second[0].seed, first[1].seed);
  EXPECT_EQ(second[2].seed, first[0].seed);
  EXPECT_FALSE(drawn.contains(*second[1].seed));
}

TEST_F(Publish, SeedsInABrokenFileAreNotDrawnAgain) {
  RunFolder run(output);
  put(output / ".wanfarm/seeds.json", "{\"a\": ");
  std::vector<Job> jobs{a_job("a")};
  jobs[0].seed.reset();
  EXPECT_THROW(run.draw_seeds(jobs, seed_keys(jobs)), Error);
  EXPECT_THROW(take_known_seeds(output, jobs), Error);
}

TEST_F(Publish, KnownSeedsAreTakenWithoutDrawingAndEqualJobsAreToldApartInTheWholeList) {
  const auto list = parse_job_list("defaults: {seed: random}\nprompts: [Rain, Rain, Wind, Rain]", "list.yaml").jobs;
  auto unknown = list;
  const std::vector<std::string> keys = take_known_seeds(output, unknown);
  EXPECT_FALSE(unknown[0].seed);
  EXPECT_FALSE(std::filesystem::exists(output)) << "it only looks";
  std::vector<Job> some{list[1], list[2]};
  {
    RunFolder run(output);
    run.draw_seeds(some, {keys[1], keys[2]});
  }
  auto known = list;
  EXPECT_EQ(take_known_seeds(output, known), keys);
  EXPECT_FALSE(known[0].seed);
  EXPECT_EQ(known[1].seed, some[0].seed);
  EXPECT_EQ(known[1].name, "0002-rain-s" + std::to_string(*some[0].seed));
  EXPECT_EQ(known[2].seed, some[1].seed);
  EXPECT_FALSE(known[3].seed);
}

}  // namespace
}  // namespace wf
