// tests/jobs/record/journal_test.cpp: the journal as its writer sees it: epochs, torn tails, full and failing disks.
#include "jobs/record/journal.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <functional>
#include <future>
#include <thread>

#include "base/error.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

class WrittenJournal : public ::testing::Test {
 protected:
  /// The faults are there before a journal has a thread, and only change their values afterwards.
  WrittenJournal() {
    inject_file_faults([this](FileStep step, const Path& path) {
      if (path.filename() != "journal.jsonl") return 0;
      if (step == FileStep::open) ++opened;
      if (step == FileStep::flush) ++flushes;
      while (step == FileStep::flush && slow) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      return step == failing ? error.load() : 0;
    });
  }
  ~WrittenJournal() override { inject_file_faults({}); }

  void fail_at(FileStep step, int with) {
    failing = step;
    error = with;
  }
  void recover() { error = 0; }
  JournalContent content() const { return read_journal(folder.path()); }
  Path file() const { return folder / ".wanfarm/journal.jsonl"; }
  bool begins_a_line(const std::string& line) const {
    return read_file(file()).find("\n" + line + "\n") != std::string::npos;
  }
  void expect_clips(const std::vector<std::string>& clips) const {
    std::vector<std::string> read;
    for (const Event& event : content().events) read.push_back(event.clip);
    EXPECT_EQ(read, clips);
  }

  test::TempFolder folder;
  std::atomic<FileStep> failing = FileStep::write;
  std::atomic<bool> slow = false;  ///< Whether a flush does not come back yet.
  std::atomic<int> error = 0, opened = 0, flushes = 0;
};

Event clip(const std::string& name) { return {.kind = Event::done, .clip = name}; }

Error::Kind kind_thrown(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.kind();
  }
  ADD_FAILURE() << "nothing was thrown";
  return Error::internal;
}

TEST_F(WrittenJournal, OfEachStartIsTheNextEpochNumberedFromOne) {
  for (int epoch = 1; epoch <= 3; ++epoch) {
    Journal journal(folder.path());
    EXPECT_EQ(journal.epoch(), epoch);
    journal.add(clip("a"));
    journal.add(clip("b"));
  }
  const std::vector<Event> events = content().events;
  ASSERT_EQ(events.size(), 6u);
  for (std::size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i].epoch, static_cast<std::int64_t>(i / 2 + 1));
    EXPECT_EQ(events[i].number, static_cast<std::int64_t>(i % 2 + 1));
    EXPECT_GT(events[i].time, 1.7e9) << "the time of an event that gives none is now";
  }
}

TEST_F(WrittenJournal, IsReadByOthersAtOnce) {
  Journal journal(folder.path());
  journal.add(clip("a"));
  expect_clips({"a"});
}

TEST_F(WrittenJournal, KeepsATimeThatIsGiven) {
  Journal journal(folder.path());
  journal.add({.kind = Event::done, .time = 12.5});
  EXPECT_EQ(content().events.at(0).time, 12.5);
}

TEST_F(WrittenJournal, GoesOnBehindATornTailWhereverItIsTorn) {
  {
    Journal journal(folder.path());
    journal.add(clip("a"));
    journal.add(clip("b"));
  }
  const std::string whole = read_file(file());
  const std::size_t second = whole.find('\n') + 1;
  for (std::size_t size = second; size < whole.size(); ++size) {
    folder.write(".wanfarm/journal.jsonl", whole.substr(0, size));
    {
      Journal journal(folder.path());
      EXPECT_EQ(journal.epoch(), 2);
      journal.add(clip("c"));
    }
    const bool torn = size != second && size != whole.size() - 1;  // all but the newline is there
    torn || size == second ? expect_clips({"a", "c"}) : expect_clips({"a", "b", "c"});
    EXPECT_EQ(content().damaged, torn ? 1u : 0u) << size;
    EXPECT_TRUE(read_file(file()).starts_with(whole.substr(0, size))) << "nothing is ever removed";
    EXPECT_TRUE(begins_a_line(to_line(content().events.back()))) << "tools that read line by line see it";
  }
}

TEST_F(WrittenJournal, OnAFullDiskThrowsAndGoesOnWhenThereIsRoom) {
  for (const int full : {ENOSPC, EIO, EDQUOT}) {
    Journal journal(folder.path());
    journal.add(clip("before"));
    fail_at(FileStep::write, full);
    EXPECT_EQ(kind_thrown([&] { journal.add(clip("lost")); }), Error::storage);
    EXPECT_EQ(kind_thrown([&] { journal.add(clip("lost, too")); }), Error::storage);
    recover();
    journal.add(clip("behind"));
    journal.flush();
    std::filesystem::rename(file(), folder / "read");
    const JournalContent read = parse_journal(read_file(folder / "read"));
    ASSERT_EQ(read.events.size(), 2u);
    EXPECT_EQ(read.events[1].clip, "behind");
    EXPECT_EQ(read.damaged, 0u);
  }
}

/// A file-size limit is the one way to a short write without a small disk. It holds for the whole process, so the test
/// gives it back, and ignores the signal that comes with it.
TEST_F(WrittenJournal, AfterAShortWriteIsNotTornForTheNextEvent) {
  Journal journal(folder.path());
  journal.add(clip("before"));
  journal.flush();
  const auto size = std::filesystem::file_size(file());
  {
    const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
    rlimit old_limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old_limit), 0);
    const rlimit limit{size + 20, old_limit.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
    EXPECT_EQ(kind_thrown([&] { journal.add(clip("lost")); }), Error::storage);
    ::setrlimit(RLIMIT_FSIZE, &old_limit);
    std::signal(SIGXFSZ, old_handler);
  }
  EXPECT_EQ(std::filesystem::file_size(file()), size + 20) << "a part of the line was written";
  journal.add(clip("behind"));
  expect_clips({"before", "behind"});
  EXPECT_TRUE(begins_a_line(to_line(content().events.back())));
  EXPECT_EQ(content().damaged, 1u);
}

TEST_F(WrittenJournal, WhoseFlushFailedIsOpenedAnewAndWritesAgainWhatWasNotFlushed) {
  Journal journal(folder.path());
  const int opened_before = opened;
  fail_at(FileStep::flush, EIO);
  journal.add(clip("a"));
  EXPECT_EQ(kind_thrown([&] { journal.flush(); }), Error::storage);
  EXPECT_EQ(kind_thrown([&] { journal.add(clip("b")); }), Error::storage) << "it cannot be made durable";
  recover();
  journal.add(clip("c"));
  EXPECT_GT(opened, opened_before) << "after a failed fsync() a descriptor tells no more what is lost";
  expect_clips({"a", "c"});
  EXPECT_GE(content().repeated, 1u);
}

TEST_F(WrittenJournal, WhoseFileWasRemovedSaysSo) {
  Journal journal(folder.path());
  std::filesystem::remove_all(folder / ".wanfarm");
  const auto add_and_flush = [&] {
    journal.add(clip("a"));
    journal.flush();
  };
  EXPECT_EQ(kind_thrown(add_and_flush), Error::storage);
  EXPECT_EQ(kind_thrown([&] { journal.add(clip("b")); }), Error::storage) << "its folder is gone as well";
}

TEST_F(WrittenJournal, FlushesByItselfAndNotWithoutNeed) {
  Journal journal(folder.path());
  journal.add(clip("a"));
  for (int i = 0; i < 1000 && flushes == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(flushes, 1);
  journal.flush();
  EXPECT_EQ(flushes, 1) << "nothing new";
}

TEST_F(WrittenJournal, TakesEventsWhileAFlushIsSlow) {
  slow = true;
  Journal journal(folder.path());
  journal.add(clip("a"));
  for (int i = 0; i < 1000 && flushes == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  const auto added = std::async(std::launch::async, [&] { journal.add(clip("b")); });
  const bool in_time = added.wait_for(std::chrono::seconds(10)) == std::future_status::ready;
  slow = false;
  EXPECT_TRUE(in_time) << "the disk's pace is not that of the run";
  journal.flush();
  expect_clips({"a", "b"});
}

TEST_F(WrittenJournal, TakesEventsOfManyThreadsWhole) {
  constexpr int threads = 4, each = 250;
  {
    Journal journal(folder.path());
    std::vector<std::jthread> writers;
    for (int t = 0; t < threads; ++t)
      writers.emplace_back([&, t] {
        for (int i = 0; i < each; ++i) journal.add(clip(std::to_string(t) + "-" + std::to_string(i)));
        journal.flush();
      });
  }
  const JournalContent read = content();
  EXPECT_EQ(read.events.size(), static_cast<std::size_t>(threads * each));
  EXPECT_EQ(read.damaged, 0u);
  EXPECT_EQ(read.last_number, threads * each);
}

TEST_F(WrittenJournal, ThatCannotBeOpenedIsAnErrorOfStorage) {
  folder.write(".wanfarm/journal.jsonl/in the way", "");
  EXPECT_EQ(kind_thrown([&] { Journal{folder.path()}; }), Error::storage);
}

}  // namespace
}  // namespace wf
