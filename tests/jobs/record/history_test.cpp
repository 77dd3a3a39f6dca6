// tests/jobs/record/history_test.cpp: what a reader learns of a run's clips from the journal, the list and the
// sidecars.
#include "jobs/record/history.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "jobs/output/sidecar.hpp"
#include "jobs/record/submitted_job.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

std::string fingerprint_of(const std::string& name) { return "f:" + name + ":0123456789abcdef"; }

std::vector<ListedClip> clips_named(const std::vector<std::string>& names) {
  std::vector<ListedClip> clips;
  for (const std::string& name : names) {
    Job job;
    job.name = name;
    job.index = static_cast<int>(clips.size()) + 1;
    job.seed = 1;
    clips.push_back({job, fingerprint_of(name)});
  }
  return clips;
}

/// Makes events of the epoch that began last.
class Events {
 public:
  void begin(const std::string& run, const RunJob& job = {}) {
    ++epoch_;
    add({.kind = Event::began, .attempt = job.starts, .text = run, .job = job.name});
  }
  void assign(const std::string& clip, int rank, int attempt = 1) {
    add({.kind = Event::assigned, .clip = clip, .rank = rank, .stage = "text-write", .attempt = attempt});
  }
  void add(Event event) {
    event.epoch = epoch_;
    event.number = static_cast<std::int64_t>(all.size()) + 1;
    event.time = 1000.0 + static_cast<double>(all.size());
    if (!event.clip.empty() && event.fingerprint.empty() && event.kind != Event::at_stage)
      event.fingerprint = fingerprint_of(event.clip);
    all.push_back(event);
  }
  std::vector<Event> all;

 private:
  std::int64_t epoch_ = 0;
};

class ClipHistories : public ::testing::Test {
 protected:
  ClipHistory history(const std::string& clip = "a") const {
    for (const ClipHistory& history : clip_histories(clips, events.all))
      if (history.clip.job.name == clip) return history;
    throw std::runtime_error("no clip " + clip);
  }
  const std::vector<ListedClip> clips = clips_named({"a", "b"});
  Events events;
};

TEST_F(ClipHistories, FollowAClipFromTheListToItsFile) {
  events.begin("run");
  EXPECT_EQ(history().state, ClipState::waiting);
  events.assign("a", 3);
  EXPECT_EQ(history().state, ClipState::running);
  events.add({.kind = Event::at_stage, .clip = "a", .rank = 3, .stage = "low"});
  EXPECT_EQ(history().stage, "low");
  events.add({.kind = Event::done, .clip = "a", .seconds = {{"high", 2}, {"low", 3}}, .file = "a.mp4"});
  const ClipHistory done = history();
  EXPECT_EQ(done.state, ClipState::done);
  EXPECT_FALSE(done.found);
  EXPECT_EQ(done.rank, 3);
  EXPECT_EQ(done.attempts, 1);
  EXPECT_EQ(done.file, "a.mp4");
  EXPECT_EQ(done.began, 1001);
  EXPECT_EQ(done.ended, 1003);
  EXPECT_EQ(done.seconds, (std::map<std::string, double>{{"high", 2}, {"low", 3}}));
  EXPECT_EQ(done.events, (std::vector<std::size_t>{1, 2, 3}));
  EXPECT_EQ(history("b").state, ClipState::waiting);
}

TEST_F(ClipHistories, CountAttemptsAndNotLegs) {
  events.begin("run");
  events.assign("a", 0);
  events.add({.kind = Event::handed_over, .clip = "a", .seconds = {{"high", 2}}});
  EXPECT_EQ(history().state, ClipState::waiting);
  events.assign("a", 1);
  EXPECT_EQ(history().attempts, 1);
  events.add({.kind = Event::failed, .clip = "a", .error = "resource", .text = "out of memory", .again = true});
  EXPECT_EQ(history().state, ClipState::waiting);
  EXPECT_EQ(history().error, "out of memory");
  events.assign("a", 0, 2);
  EXPECT_EQ(history().attempts, 2);
  events.add({.kind = Event::failed, .clip = "a", .error = "input", .text = "too long"});
  EXPECT_EQ(history().state, ClipState::failed);
  EXPECT_EQ(history().error_kind, "input");
  events.add({.kind = Event::retried, .clip = "a"});
  EXPECT_EQ(history().state, ClipState::waiting);
  events.assign("a", 0, 1);
  EXPECT_EQ(history().attempts, 3) << "the run counts from 1 again, the history does not";
}

TEST_F(ClipHistories, LetTheClipsOfALostRankWait) {
  events.begin("run");
  events.assign("a", 1);
  events.assign("b", 2);
  events.add({.kind = Event::lost, .rank = 1, .text = "died"});
  EXPECT_EQ(history("a").state, ClipState::waiting);
  EXPECT_EQ(history("b").state, ClipState::running);
  events.add({.kind = Event::quarantined, .clip = "a", .error = "permanent", .text = "two ranks"});
  EXPECT_EQ(history("a").state, ClipState::quarantined);
}

TEST_F(ClipHistories, OfARunThatEndedHaveNothingAtWork) {
  events.begin("run");
  events.assign("a", 1);
  events.assign("b", 2);
  events.add({.kind = Event::interrupted, .clip = "a", .stage = "low"});
  EXPECT_EQ(history("a").state, ClipState::waiting);
  EXPECT_EQ(history("a").stage, "low");
  events.add({.kind = Event::ended, .text = "stopped", .code = 75});
  EXPECT_EQ(history("b").state, ClipState::waiting);
}

TEST_F(ClipHistories, BeginAnewWithEachRunButKeepWhatIsDone) {
  events.begin("run");
  events.assign("a", 1);
  events.assign("b", 1);
  events.add({.kind = Event::done, .clip = "a", .file = "a.mp4"});
  events.add({.kind = Event::failed, .clip = "b", .error = "input", .text = "too long"});
  events.begin("another run");
  EXPECT_EQ(history("a").state, ClipState::done);
  EXPECT_TRUE(history("a").found);
  EXPECT_EQ(history("b").state, ClipState::waiting);
  EXPECT_EQ(history("b").error, "");
  EXPECT_EQ(history("b").attempts, 0);
  events.add({.kind = Event::cancelled, .clip = "b"});
  EXPECT_EQ(history("b").state, ClipState::cancelled);
}

TEST_F(ClipHistories, GoOnWhenTheSameRunIsStartedAgain) {
  events.begin("run");
  events.assign("a", 1);
  events.assign("b", 2);
  events.add({.kind = Event::done, .clip = "b", .file = "b.mp4"});
  events.begin("run");
  EXPECT_EQ(history("a").state, ClipState::waiting);
  EXPECT_EQ(history("a").began, 1001);
  EXPECT_FALSE(history("b").found) << "this run has rendered it";
  events.assign("a", 0, 1);
  EXPECT_EQ(history("a").attempts, 2);
}

TEST_F(ClipHistories, KnowAClipThatWasRenamedByItsFingerprint) {
  events.begin("run");
  events.add({.kind = Event::done, .clip = "old name", .fingerprint = fingerprint_of("a"), .file = "old name.mp4"});
  EXPECT_EQ(history("a").state, ClipState::done);
}

TEST_F(ClipHistories, DoNotTakeTheClipOfAnOlderListForOneOfItsName) {
  events.begin("run");
  events.add({.kind = Event::done, .clip = "a", .fingerprint = "another prompt", .file = "a.mp4"});
  EXPECT_EQ(history("a").state, ClipState::waiting);
}

TEST_F(ClipHistories, OfOneFingerprintEndTogether) {
  std::vector<ListedClip> list = clips;
  list.push_back(list.front());
  list.back().job.name = "copy of a";
  events.begin("run");
  events.assign("a", 0);
  EXPECT_EQ(clip_histories(list, events.all).back().state, ClipState::waiting);
  events.add({.kind = Event::done, .clip = "a", .file = "a.mp4"});
  const ClipHistory copy = clip_histories(list, events.all).back();
  EXPECT_EQ(copy.state, ClipState::done);
  EXPECT_EQ(copy.file, "copy of a.mp4");
}

// ---- A run folder

class RunFolderHistory : public ::testing::Test {
 protected:
  RunFolderHistory() {
    make_folder(folder / ".wanfarm");
    std::vector<Job> jobs;
    std::vector<std::string> fingerprints;
    for (const ListedClip& clip : clips_named({"0001-kite", "0002-boat", "0003-boat"})) {
      jobs.push_back(clip.job);
      fingerprints.push_back(clip.fingerprint);
    }
    jobs[2].index = 2;  // a second sample of the prompt
    write_clip_list(folder.path(), jobs, fingerprints);
  }
  void write_journal() const {
    std::string text;
    for (const Event& event : events.all) text += to_line(event) + "\n";
    folder.write(".wanfarm/journal.jsonl", text);
  }
  void write_sidecar(const std::string& name, const std::string& fingerprint) const {
    Sidecar sidecar;
    sidecar.job.name = name;
    sidecar.fingerprint = fingerprint;
    sidecar.video_file = name + ".mkv";
    sidecar.seconds = {{"high", 5}};
    folder.write(name + ".json", to_json(sidecar));
  }
  ClipHistory clip(std::size_t index) const { return read_history(folder.path()).clips.at(index); }

  test::TempFolder folder;
  Events events;
};

TEST_F(RunFolderHistory, WithoutARunIsAnErrorThatNamesTheFolder) {
  try {
    read_history(folder.path());
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::input);
    EXPECT_TRUE(std::string(error.what()).starts_with(folder.path().string() + ": no run")) << error.what();
  }
}

TEST_F(RunFolderHistory, BelievesASidecarBeforeTheJournal) {
  events.begin("run");
  events.assign("0001-kite", 0);
  write_journal();
  EXPECT_EQ(clip(0).state, ClipState::running);
  write_sidecar("0001-kite", fingerprint_of("0001-kite"));
  EXPECT_EQ(clip(0).state, ClipState::done);
  EXPECT_FALSE(clip(0).found);
  EXPECT_EQ(clip(0).file, "0001-kite.mkv");
  EXPECT_EQ(clip(0).seconds, (std::map<std::string, double>{{"high", 5}}));
  write_sidecar("0002-boat", "of another prompt");
  EXPECT_EQ(clip(1).state, ClipState::waiting);
  folder.write("0003-boat.json", "{");
  EXPECT_EQ(clip(2).state, ClipState::waiting);
}

TEST_F(RunFolderHistory, NeverLosesADoneClipWhateverHappensToTheJournal) {
  write_sidecar("0001-kite", fingerprint_of("0001-kite"));
  events.begin("run");
  events.assign("0001-kite", 0);
  events.add({.kind = Event::done, .clip = "0001-kite", .file = "0001-kite.mkv"});
  events.add({.kind = Event::ended, .code = 0});
  write_journal();
  const std::string whole = read_file(folder / ".wanfarm/journal.jsonl");
  const std::size_t first_line = whole.find('\n');
  for (std::size_t size = first_line; size <= whole.size(); ++size) {
    folder.write(".wanfarm/journal.jsonl", whole.substr(0, size));
    ASSERT_EQ(clip(0).state, ClipState::done) << "cut at " << size;
  }
  for (std::size_t at = first_line; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0xff);
    folder.write(".wanfarm/journal.jsonl", damaged);
    ASSERT_EQ(clip(0).state, ClipState::done) << "changed at " << at;
    ASSERT_EQ(clip(1).state, ClipState::waiting) << "changed at " << at;
  }
}

TEST_F(RunFolderHistory, KeepsWhatAnEarlierRunFinishedUnlessItsFilesAreGone) {
  events.begin("run");
  events.add({.kind = Event::done, .clip = "0001-kite", .file = "0001-kite.mkv"});
  events.begin("another run");
  write_journal();
  EXPECT_EQ(clip(0).state, ClipState::waiting) << "its sidecar was removed, so the run will render it again";
  write_sidecar("0001-kite", fingerprint_of("0001-kite"));
  EXPECT_EQ(clip(0).state, ClipState::done);
  EXPECT_TRUE(clip(0).found);
}

TEST_F(RunFolderHistory, NamesTheFilesOfAClipThatWasRenamed) {
  events.begin("run");
  events.add({.kind = Event::done, .clip = "old", .fingerprint = fingerprint_of("0001-kite"), .file = "old.mkv"});
  events.begin("another run");
  write_journal();
  write_sidecar("old", fingerprint_of("0001-kite"));
  EXPECT_EQ(clip(0).file, "old.mkv") << "it stayed where it was";
  write_sidecar("0001-kite", fingerprint_of("0001-kite"));
  std::filesystem::remove(folder / "old.json");
  EXPECT_EQ(clip(0).state, ClipState::done);
  EXPECT_EQ(clip(0).file, "0001-kite.mkv");
}

TEST_F(RunFolderHistory, KnowsHowTheRunEnded) {
  events.begin("run");
  write_journal();
  EXPECT_FALSE(read_history(folder.path()).exit_code);
  events.add({.kind = Event::ended, .text = "2 of 3 clips", .code = 75});
  write_journal();
  EXPECT_EQ(read_history(folder.path()).exit_code, 75);
  EXPECT_EQ(read_history(folder.path()).ended, "2 of 3 clips");
  events.begin("run");
  write_journal();
  EXPECT_FALSE(read_history(folder.path()).exit_code) << "it was started again";
}

TEST_F(RunFolderHistory, KnowsTheJobOfItsLastStart) {
  events.begin("run", {"17", 3});
  write_journal();
  EXPECT_EQ(read_history(folder.path()).job, (RunJob{"17", 3}));
  events.begin("run");
  write_journal();
  EXPECT_EQ(read_history(folder.path()).job, RunJob()) << "it was started by hand";
}

TEST(SubmittedJobs, AreKeptWithTheFolder) {
  const test::TempFolder folder;
  EXPECT_FALSE(read_submitted_job(folder.path()));
  write_submitted_job(folder.path(), {"17", 1764403200.5});
  EXPECT_EQ(read_submitted_job(folder.path()), (SubmittedJob{"17", 1764403200.5}));
  folder.write(".wanfarm/job.json", "{\"id\":\"1");
  EXPECT_FALSE(read_submitted_job(folder.path())) << "it is cut short";
}

TEST_F(RunFolderHistory, LosesAGroupWithAnyOfItsRanks) {
  RunInfo info;
  info.ranks = {{"n1", "cpu", 0}, {"n1", "cpu", 0}, {"n2", "cpu", 2}, {"n2", "cpu", 2}};
  write_run_info(folder.path(), info);
  events.begin("run");
  events.assign("0001-kite", 0);
  events.assign("0002-boat", 2);
  events.add({.kind = Event::lost, .rank = 3, .text = "died"});
  write_journal();
  EXPECT_EQ(clip(0).state, ClipState::running);
  EXPECT_EQ(clip(1).state, ClipState::waiting);
}

TEST_F(RunFolderHistory, TellsWhetherAProcessIsThere) {
  events.begin("run");
  write_journal();
  RunHistory history = read_history(folder.path());
  const double began = history.last_event;
  EXPECT_EQ(liveness(history, began + 14), Liveness::alive) << "it loads its model";
  EXPECT_EQ(liveness(history, began + 16), Liveness::silent);
  history.live = LiveStatus{.epoch = 1, .time = began + 100};
  EXPECT_EQ(liveness(history, began + 114), Liveness::alive);
  EXPECT_EQ(liveness(history, began + 116), Liveness::silent);
  history.live->epoch = 0;
  EXPECT_EQ(liveness(history, began + 101), Liveness::silent) << "the status is that of an earlier start";
  history.exit_code = 0;
  EXPECT_EQ(liveness(history, began), Liveness::ended);
}

TEST_F(RunFolderHistory, FindsClipsByNameNumberAndFingerprint) {
  events.begin("run");
  write_journal();
  const RunHistory history = read_history(folder.path());
  EXPECT_EQ(history.find("0002-boat"), 1u);
  EXPECT_EQ(history.find("1"), 0u);
  EXPECT_EQ(history.find("f:0003-bo"), 2u) << "a prefix of its fingerprint";
  const auto message = [&](const std::string& which) {
    try {
      history.find(which);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Error::input);
      return std::string(error.what());
    }
    return std::string("found");
  };
  EXPECT_NE(message("2").find("more than one clip: 0002-boat, 0003-boat"), std::string::npos) << message("2");
  EXPECT_NE(message("0001-kit").find("did you mean 0001-kite?"), std::string::npos) << message("0001-kit");
  EXPECT_NE(message("f:000").find("no clip"), std::string::npos) << "too short for a fingerprint";
  EXPECT_NE(message("9").find("no clip '9'"), std::string::npos) << message("9");
}

TEST_F(RunFolderHistory, IsFollowedAsItGrows) {
  events.begin("run");
  write_journal();
  RunWatch watch(folder.path());
  const auto expect_same = [&] {
    write_journal();
    watch.update();
    const RunHistory& watched = watch.history();
    const RunHistory read = read_history(folder.path());
    EXPECT_EQ(watched.journal.events, read.journal.events);
    for (std::size_t i = 0; i < read.clips.size(); ++i) {
      EXPECT_EQ(watched.clips[i].state, read.clips[i].state);
      EXPECT_EQ(watched.clips[i].events, read.clips[i].events);
    }
    EXPECT_EQ(watched.exit_code, read.exit_code);
  };
  events.assign("0001-kite", 0);
  expect_same();
  events.add({.kind = Event::done, .clip = "0001-kite", .file = "0001-kite.mkv"});
  expect_same();
  events.add({.kind = Event::ended, .code = 75});
  expect_same();
  write_sidecar("0001-kite", fingerprint_of("0001-kite"));
  events.begin("another run");
  expect_same();
  EXPECT_TRUE(watch.history().clips[0].found);
}

}  // namespace
}  // namespace wf
