// tests/jobs/record/shards_test.cpp: folders of shards, and their runs seen as one.
#include "jobs/record/shards.hpp"

#include <gtest/gtest.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

using test::TempFolder;

/// The run of a shard with these clips, by their numbers in the list. The first is done, the others wait.
void record_shard(const Path& output, ListShard shard, const std::vector<int>& clips, std::optional<int> exit_code) {
  const Path folder = shard_folder(output, shard);
  std::vector<Job> jobs;
  std::vector<std::string> fingerprints;
  for (const int index : clips) {
    Job job;
    job.index = index, job.name = "clip-" + std::to_string(index), job.seed = 1;
    jobs.push_back(job), fingerprints.push_back("fingerprint-" + job.name);
  }
  Journal journal(folder);
  journal.add({.kind = Event::began,
               .rank = 2,
               .attempt = shard.number,
               .text = "run",
               .job = fmt::format("17_{}", shard.number)});
  write_clip_list(folder, jobs, fingerprints);
  RunInfo info;
  info.id = "run", info.host = fmt::format("n{}", shard.number);
  info.ranks = {{info.host, "cpu", 0}, {info.host, "cpu", 1}};
  write_run_info(folder, info);
  const std::string name = jobs.front().name;
  journal.add({.kind = Event::assigned,
               .clip = name,
               .fingerprint = fingerprints[0],
               .rank = 1,
               .stage = "text-write",
               .attempt = 1});
  journal.add({.kind = Event::done,
               .clip = name,
               .fingerprint = fingerprints[0],
               .rank = 1,
               .attempt = 1,
               .file = name + ".mp4"});
  LiveStatus live{.epoch = journal.epoch(), .time = unix_time(), .state = "running", .clips = jobs.size(), .done = 1};
  live.share = 1.0 / static_cast<double>(jobs.size()), live.eta_seconds = 100.0 * shard.number;
  live.ranks.resize(2);
  write_live_status(folder, live);
  if (exit_code) journal.add({.kind = Event::ended, .text = "{}", .code = *exit_code});
}

std::string refusal(const Path& output, const std::optional<ListShard>& shard) {
  try {
    check_division(output, shard);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::input);
    return error.what();
  }
  return "";
}

TEST(Shards, AreReadAsNumberAndCount) {
  EXPECT_EQ(parse_shard("2/4"), (ListShard{2, 4}));
  EXPECT_EQ(parse_shard("1/1"), (ListShard{1, 1}));
  for (const char* const wrong : {"", "2", "0/4", "5/4", "2/4x", "-1/4", "1/10001", "a/b", "2/"})
    EXPECT_THROW(parse_shard(wrong), Error) << wrong;
}

TEST(Shards, AreFoundByTheNamesOfTheirFolders) {
  const TempFolder folder;
  for (const char* const name : {"shard-2-of-10", "shard-10-of-10", "shard-1-of-10", "shard-3-of-2", "shards", "log"})
    make_folder(folder / name);
  EXPECT_EQ(shards_in(folder.path()), (std::vector<ListShard>{{1, 10}, {2, 10}, {10, 10}}));
  EXPECT_TRUE(shards_in(folder / "nowhere").empty());
}

TEST(Shards, OfAnotherDivisionAreRefused) {
  const TempFolder folder;
  EXPECT_EQ(refusal(folder.path(), ListShard{1, 4}), "");
  EXPECT_EQ(refusal(folder.path(), {}), "");
  make_folder(folder / "shard-1-of-4");
  EXPECT_EQ(refusal(folder.path(), ListShard{2, 4}), "");
  EXPECT_NE(refusal(folder.path(), ListShard{2, 3}).find("holds shards of 4, not of 3"), std::string::npos);
  EXPECT_NE(refusal(folder.path(), {}).find("render them with --shard I/4"), std::string::npos);
}

TEST(Shards, AreRefusedWhereTheWholeListWasRendered) {
  const TempFolder folder;
  Journal(folder.path()).add({.kind = Event::began, .rank = 1, .text = "run"});
  EXPECT_NE(refusal(folder.path(), ListShard{1, 4}).find("holds a run of the whole list"), std::string::npos);
  EXPECT_EQ(refusal(folder.path(), {}), "");
}

TEST(JoinedShards, AreOneRunWithAllClipsInTheListsOrder) {
  const TempFolder folder;
  record_shard(folder.path(), {1, 2}, {1, 4}, {});
  record_shard(folder.path(), {2, 2}, {2, 3}, {});
  const RunHistory history = read_history(folder.path());
  ASSERT_EQ(history.clips.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(history.clips[i].clip.job.index, static_cast<int>(i) + 1);
  EXPECT_EQ(count_clips(history, ClipState::done), 2u);
  EXPECT_EQ(history.clips[0].file, "shard-1-of-2/clip-1.mp4");
  EXPECT_EQ(history.clips[1].file, "shard-2-of-2/clip-2.mp4");
  EXPECT_EQ(folder_of(folder.path(), history.clips[1]), folder / "shard-2-of-2");
  EXPECT_EQ(folder_of(folder.path(), history.clips[2]), folder.path());
  EXPECT_EQ(history.shards.begun, 2);
}

TEST(JoinedShards, HaveTheJobOfTheirArray) {
  const TempFolder folder;
  record_shard(folder.path(), {1, 2}, {1, 4}, {});
  record_shard(folder.path(), {2, 2}, {2, 3}, {});
  EXPECT_EQ(read_history(folder.path()).job, (RunJob{"17", 2})) << "with the starts of the task that was heard of last";
}

TEST(JoinedShards, HaveRanksThatAreNumberedThrough) {
  const TempFolder folder;
  record_shard(folder.path(), {1, 2}, {1}, {});
  record_shard(folder.path(), {2, 2}, {2}, {});
  const RunHistory history = read_history(folder.path());
  EXPECT_EQ(history.clips[0].rank, 1);
  EXPECT_EQ(history.clips[1].rank, 3);
  ASSERT_EQ(history.info->ranks.size(), 4u);
  EXPECT_EQ(history.info->ranks[3].leader, 3);
  EXPECT_EQ(history.info->ranks[2].host, "n2");
  EXPECT_EQ(history.info->host, "n1, n2");
  ASSERT_EQ(history.live->ranks.size(), 4u);
  EXPECT_EQ(history.live->eta_seconds, 200) << "until the last shard has ended";
  EXPECT_DOUBLE_EQ(history.live->share, 1);
}

TEST(JoinedShards, HaveEventsOfOneRunInTheOrderOfTime) {
  const TempFolder folder;
  record_shard(folder.path(), {2, 2}, {2}, 0);
  record_shard(folder.path(), {1, 2}, {1}, 0);
  const RunHistory history = read_history(folder.path());
  const std::vector<Event>& events = history.journal.events;
  ASSERT_EQ(events.size(), 6u);  // of eight: one `began` and one `ended`
  EXPECT_EQ(events.front().kind, Event::began);
  EXPECT_EQ(events.front().rank, 4);
  EXPECT_EQ(events.back().kind, Event::ended);
  EXPECT_TRUE(std::ranges::is_sorted(events, {}, &Event::time));
  for (const ClipHistory& clip : history.clips) {
    ASSERT_EQ(clip.events.size(), 2u);
    for (const std::size_t event : clip.events) EXPECT_EQ(events[event].clip, clip.clip.job.name);
  }
}

TEST(JoinedShards, HaveEndedWhenAllHaveWithTheWorstCode) {
  const TempFolder folder;
  record_shard(folder.path(), {1, 2}, {1}, 0);
  EXPECT_EQ(read_history(folder.path()).exit_code, 75) << "the other has not begun";
  record_shard(folder.path(), {2, 2}, {2}, {});
  EXPECT_FALSE(read_history(folder.path()).exit_code) << "the other is at work";
  EXPECT_EQ(liveness(read_history(folder.path()), unix_time()), Liveness::alive);
  record_shard(folder.path(), {2, 2}, {2}, 1);
  EXPECT_EQ(read_history(folder.path()).exit_code, 1);
}

TEST(JoinedShards, AreWatchedAsTheyBegin) {
  const TempFolder folder;
  record_shard(folder.path(), {1, 2}, {1}, {});
  RunWatch watch(folder.path());
  EXPECT_EQ(watch.history().shards.begun, 1);
  record_shard(folder.path(), {2, 2}, {2}, {});
  watch.update();
  EXPECT_EQ(watch.history().shards.begun, 2);
  EXPECT_EQ(watch.history().clips.size(), 2u);
}

}  // namespace
}  // namespace wf
