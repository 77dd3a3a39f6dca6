// tests/jobs/output/finished_test.cpp: a list that is reordered, extended or edited keeps what is finished.
#include "jobs/output/finished.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <fstream>
#include <set>

#include "jobs/list/job_list.hpp"
#include "jobs/list/name.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

using Names = std::vector<std::string>;

const Recipe recipe{"model", "exact"};

/// A job as a list would have it at this place. Jobs of one prompt that differ in their steps have equal slugs.
Job job_at(int index, const std::string& prompt, int steps = 40, const std::string& name = "") {
  Job job = make_job(prompt, {});
  job.index = index;
  job.steps = steps;
  job.name = name.empty() ? default_name(index, prompt, job.seed) : name;
  return job;
}

class Finished : public ::testing::Test {
 protected:
  ~Finished() override { inject_file_faults({}); }

  static std::vector<std::string> fingerprints(const std::vector<Job>& jobs) {
    std::vector<std::string> all;
    for (const Job& job : jobs) all.push_back(fingerprint(job, recipe));
    return all;
  }

  void render(const Job& job, const std::string& video = "video") {
    write_file(folder_.part(job.name + ".mp4"), video);
    folder_.publish(job.name + ".mp4");
    Sidecar sidecar;
    sidecar.job = job;
    sidecar.recipe = recipe;
    sidecar.fingerprint = fingerprint(job, recipe);
    sidecar.video_file = job.name + ".mp4";
    sidecar.codec = "h264";
    sidecar.video_bytes = video.size();
    folder_.finish(sidecar);
  }

  FinishedClips find(const std::vector<Job>& jobs) const {
    return find_finished(folder_.output(), jobs, fingerprints(jobs));
  }

  /// Renames as a run does at its start, and returns what is found then.
  FinishedClips keep(const std::vector<Job>& jobs) {
    const FinishedClips clips = find(jobs);
    for (const std::size_t clip : clips.renamed) rename_clip(folder_, clips.found.at(clip), jobs[clip]);
    return find(jobs);
  }

  std::string video(const std::string& name) const { return read_file(folder_.output() / (name + ".mp4")); }

  /// Names of the visible files, without folders of the run.
  std::set<std::string> files() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.output()))
      if (entry.path().filename() != ".wanfarm" && entry.path().filename() != "results.csv")
        names.insert(entry.path().filename().string());
    return names;
  }

  test::TempFolder temporary_;
  RunFolder folder_{temporary_ / "renders"};
};

TEST_F(Finished, AReorderedListKeepsItsClipsUnderTheirNewNames) {
  render(job_at(1, "Rain"), "rain");
  render(job_at(2, "Snow"), "snow");
  const std::vector<Job> jobs{job_at(1, "Snow"), job_at(2, "Rain")};
  EXPECT_EQ(find(jobs).found.size(), 2u);
  const FinishedClips clips = keep(jobs);
  EXPECT_EQ(clips.found.size(), 2u);
  EXPECT_TRUE(clips.renamed.empty());
  EXPECT_EQ(video("0001-snow-s42"), "snow");
  EXPECT_EQ(video("0002-rain-s42"), "rain");
  EXPECT_EQ(files(), (std::set<std::string>{"0001-snow-s42.json", "0001-snow-s42.mp4", "0002-rain-s42.json",
                                            "0002-rain-s42.mp4"}));
}

TEST_F(Finished, AClipInsertedAtTheFrontShiftsClipsOfEqualSlugs) {
  for (const int steps : {10, 20, 30}) render(job_at(steps / 10, "Rain", steps), std::to_string(steps));
  const std::vector<Job> jobs{job_at(1, "Rain", 5), job_at(2, "Rain", 10), job_at(3, "Rain", 20),
                              job_at(4, "Rain", 30)};
  const FinishedClips clips = keep(jobs);
  EXPECT_FALSE(clips.contains(0));
  EXPECT_EQ(clips.found.size(), 3u);
  for (const int steps : {10, 20, 30}) EXPECT_EQ(video(jobs[steps / 10].name), std::to_string(steps));
  EXPECT_EQ(files().count("0001-rain-s42.mp4"), 0u) << "the new clip's name is free";
}

TEST_F(Finished, AClipTakesItsFramesAlongAndLeavesAFolderOfAUserWhereItIs) {
  render(job_at(1, "Rain"));
  render(job_at(2, "Snow"));
  const Path frames = folder_.output() / "0001-rain-s42", notes = folder_.output() / "0002-snow-s42";
  write_file((make_folder(frames), frames / "00001.png"), "pixels");
  write_file((make_folder(notes), notes / "notes.txt"), "mine");
  keep({job_at(1, "Wind"), job_at(2, "Rain"), job_at(3, "Snow")});
  EXPECT_FALSE(std::filesystem::exists(frames));
  EXPECT_EQ(read_file(folder_.output() / "0002-rain-s42/00001.png"), "pixels");
  EXPECT_EQ(video("0003-snow-s42"), "video");
  EXPECT_EQ(read_file(notes / "notes.txt"), "mine");
  EXPECT_FALSE(std::filesystem::exists(folder_.output() / "0003-snow-s42"));
}

TEST_F(Finished, ClipsThatWouldHaveToSwapNamesStayAsTheyAre) {
  render(job_at(1, "Rain", 10), "10");
  render(job_at(2, "Rain", 20), "20");
  const FinishedClips clips = keep({job_at(1, "Rain", 20), job_at(2, "Rain", 10)});
  ASSERT_EQ(clips.found.size(), 2u);
  EXPECT_EQ(clips.found.at(0).job.name, "0002-rain-s42");
  EXPECT_EQ(video("0002-rain-s42"), "20");
}

TEST_F(Finished, ANameThatTheListGivesIsTaken) {
  render(job_at(1, "Rain"));
  keep({job_at(1, "Rain", 40, "kite")});
  EXPECT_EQ(files(), (std::set<std::string>{"kite.json", "kite.mp4"}));
}

TEST_F(Finished, ANameThatAUserGaveIsNotReplacedByOneMadeUp) {
  render(job_at(1, "Rain", 40, "kite"));
  const FinishedClips clips = keep({job_at(1, "Rain")});
  EXPECT_EQ(clips.found.at(0).job.name, "kite");
  EXPECT_EQ(files(), (std::set<std::string>{"kite.json", "kite.mp4"}));
}

TEST_F(Finished, ANameThatIsGivenToAnotherClipIsLeftToIt) {
  render(job_at(1, "Rain", 40, "kite"), "rain");
  const std::vector<Job> jobs{job_at(1, "Snow", 40, "kite"), job_at(2, "Rain")};
  const FinishedClips clips = keep(jobs);
  EXPECT_FALSE(clips.contains(0));
  EXPECT_EQ(clips.found.at(1).job.name, "0002-rain-s42");
  EXPECT_EQ(video("0002-rain-s42"), "rain");
}

TEST_F(Finished, AFileOfAnotherListIsNotReplaced) {
  render(job_at(1, "Rain", 10), "mine");
  render(job_at(2, "Rain", 99), "of another list");
  const FinishedClips clips = keep({job_at(1, "Snow"), job_at(2, "Rain", 10)});
  EXPECT_EQ(clips.found.at(1).job.name, "0001-rain-s42");
  EXPECT_EQ(video("0002-rain-s42"), "of another list");
}

TEST_F(Finished, WhatTheSameFingerprintHasTwiceIsRenderedOnce) {
  const std::vector<Job> jobs{job_at(1, "Rain"), job_at(2, "Snow"), job_at(3, "Rain"), job_at(4, "Rain", 40, "kite")};
  const std::map<std::size_t, std::size_t> copies{{2, 0}, {3, 0}};
  EXPECT_EQ(find(jobs).copies, copies);
  EXPECT_EQ(find_copies(fingerprints(jobs)), copies);
  render(jobs[0], "rain");
  const FinishedClips clips = find(jobs);
  EXPECT_EQ(clips.copies, copies);
  for (const auto& [copy, original] : clips.copies) copy_clip(folder_, clips.found.at(original), jobs[copy]);
  EXPECT_EQ(find(jobs).found.size(), 3u);
  EXPECT_EQ(video("kite"), "rain");
}

TEST_F(Finished, EachOfTwoEqualJobsTakesOneOfTwoEqualFiles) {
  render(job_at(1, "Rain"));
  render(job_at(2, "Rain"));
  const FinishedClips clips = keep({job_at(1, "Snow"), job_at(2, "Rain"), job_at(3, "Rain")});
  EXPECT_EQ(clips.found.size(), 2u);
  EXPECT_TRUE(clips.copies.empty());
}

TEST_F(Finished, ACopyHasLatentsAndFramesToo) {
  const Job rain = job_at(1, "Rain"), copy = job_at(2, "Rain");
  render(rain);
  write_file(folder_.output() / "0001-rain-s42.h5", "latents");
  make_folder(folder_.output() / "0001-rain-s42");
  write_file(folder_.output() / "0001-rain-s42/00001.png", "frame");
  const Sidecar sidecar = copy_clip(folder_, find({rain}).found.at(0), copy);
  EXPECT_EQ(sidecar.job.name, copy.name);
  EXPECT_EQ(sidecar.video_file, copy.name + ".mp4");
  EXPECT_EQ(read_file(folder_.output() / "0002-rain-s42.h5"), "latents");
  EXPECT_EQ(read_file(folder_.output() / "0002-rain-s42/00001.png"), "frame");
}

TEST_F(Finished, OtherNamesAreNotLookedAtWhereTheNameIsGiven) {
  const Job before = job_at(1, "Rain"), now = job_at(2, "Rain");
  render(before);
  const std::vector<std::string> hashes = fingerprints({now});
  EXPECT_FALSE(find_finished(folder_.output(), {now}, hashes, {.other_names = false}).contains(0));
  EXPECT_TRUE(find_finished(folder_.output(), {before}, hashes, {.other_names = false}).contains(0));
}

TEST_F(Finished, AClipThatLacksWhatIsWantedIsNotFinishedWhateverItIsCalled) {
  const Job before = job_at(1, "Rain"), renamed = job_at(2, "Rain");
  render(before);
  using Missing = std::vector<std::string>;
  for (const Job& job : {before, renamed}) {
    const auto found = [&](const Wanted& wanted) {
      return find_finished(folder_.output(), {job}, fingerprints({job}), {.wanted = wanted});
    };
    EXPECT_TRUE(found({"h264"}).contains(0)) << job.name;
    EXPECT_FALSE(found({"hevc"}).contains(0)) << job.name;
    EXPECT_EQ(found({"hevc", true, true}).lacking.at(0), (Missing{"video in hevc", "latents", "frames"}));
  }
  write_file(folder_.output() / "0001-rain-s42.h5", "latents");
  make_folder(folder_.output() / "0001-rain-s42");
  const Wanted all{"h264", true, true};
  EXPECT_EQ(find_finished(folder_.output(), {before}, fingerprints({before}), {.wanted = all}).lacking.at(0),
            Missing{"frames"})
      << "an empty folder has none";
  write_file(folder_.output() / "0001-rain-s42/00001.png", "frame");
  const FinishedClips whole = find_finished(folder_.output(), {before}, fingerprints({before}), {.wanted = all});
  EXPECT_TRUE(whole.contains(0));
  EXPECT_TRUE(whole.lacking.empty());
}

TEST_F(Finished, AClipOfOtherValuesIsReplacedUnlessTheListHasItElsewhere) {
  render(job_at(1, "Rain", 10), "10");
  EXPECT_EQ(find({job_at(1, "Rain", 20)}).replaced.at(0).job.steps, 10);
  EXPECT_TRUE(find({job_at(1, "Rain", 10)}).replaced.empty());
  EXPECT_TRUE(find({job_at(1, "Rain", 20), job_at(2, "Rain", 10)}).replaced.empty()) << "it makes room";
  EXPECT_TRUE(find({job_at(2, "Rain", 20)}).replaced.empty()) << "it is not in the way";
}

TEST_F(Finished, ACopyOverAnotherClipLeavesNothingOfThatOne) {
  const Job rain = job_at(1, "Rain"), kite = job_at(2, "Rain", 40, "kite");
  render(rain, "rain");
  render(job_at(2, "Snow", 40, "kite"), "snow");
  write_file(folder_.output() / "kite.h5", "latents of snow");
  write_file(folder_.output() / "kite.mkv", "a video of snow");
  copy_clip(folder_, find({rain}).found.at(0), kite);
  EXPECT_EQ(video("kite"), "rain");
  EXPECT_EQ(files(), (std::set<std::string>{"0001-rain-s42.json", "0001-rain-s42.mp4", "kite.json", "kite.mp4"}));
}

TEST_F(Finished, AClipWhoseFileIsDamagedIsNotFinishedAndSaysWhy) {
  const Job rain = job_at(1, "Rain");
  render(rain, "rain");
  std::ofstream(folder_.output() / "0001-rain-s42.mp4", std::ios::app) << "more";
  const FinishedClips clips = find({rain});
  EXPECT_FALSE(clips.contains(0));
  EXPECT_EQ(clips.damaged.at(0), "0001-rain-s42.mp4: has 8 bytes, and had 4 when it was written");
  std::filesystem::remove(folder_.output() / "0001-rain-s42.mp4");
  EXPECT_NE(find({rain}).damaged.at(0).find("No such file"), std::string::npos);
}

TEST_F(Finished, AnotherFileOfTheSameClipTakesThePlaceOfADamagedOne) {
  render(job_at(1, "Rain"), "whole");
  render(job_at(2, "Rain"), "damaged");
  std::filesystem::resize_file(folder_.output() / "0002-rain-s42.mp4", 3);
  const FinishedClips clips = find({job_at(2, "Rain")});
  EXPECT_EQ(clips.found.at(0).job.name, "0001-rain-s42");
  EXPECT_TRUE(clips.damaged.empty());
}

/// A fault at each step of writing stands for a process that dies there.
TEST_F(Finished, ARenameCutShortAtAnyStepLosesNothing) {
  const Job before = job_at(1, "Rain"), now = job_at(2, "Rain");
  int steps = 0;
  render(before, "rain");
  inject_file_faults([&](FileStep, const Path&) { return ++steps, 0; });
  rename_clip(folder_, find({now}).found.at(0), now);
  ASSERT_GT(steps, 0);
  for (int fault = 1; fault <= steps; ++fault) {
    inject_file_faults({});
    std::filesystem::remove(folder_.output() / (now.name + ".json"));
    render(before, "rain");
    int step = 0;
    inject_file_faults([&](FileStep, const Path&) { return ++step == fault ? EIO : 0; });
    EXPECT_THROW(rename_clip(folder_, find({now}).found.at(0), now), Error) << "step " << fault;
    inject_file_faults({});
    const FinishedClips clips = find({now});
    ASSERT_EQ(clips.found.size(), 1u) << "step " << fault;
    EXPECT_EQ(video(clips.found.at(0).job.name), "rain") << "step " << fault;
  }
}

}  // namespace
}  // namespace wf
