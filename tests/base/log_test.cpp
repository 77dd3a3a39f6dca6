// tests/base/log_test.cpp: the log file, and what happens before lines of the terminal.
#include "base/log.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/error.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

using test::TempFolder;

TEST(Log, FileHasLinesOfDebugAndAboveWithTheRank) {
  const TempFolder folder;
  open_log(LogLevel::off, 3);
  log_to_file(folder.path() / "log");
  spdlog::trace("one");
  spdlog::debug("two");
  spdlog::error("three");
  const std::string text = read_file(folder.path() / "log");
  EXPECT_EQ(text.find("one"), std::string::npos) << text;
  EXPECT_NE(text.find("debug [rank 003] two\n"), std::string::npos) << text;
  EXPECT_NE(text.find("error [rank 003] three\n"), std::string::npos) << text;
}

/// Other threads iterate over the logger's own list without a lock, in a library that is built without ThreadSanitizer,
/// so the list itself is compared.
TEST(Log, NothingChangesTheListOfSinksThatOtherThreadsRead) {
  const TempFolder folder;
  open_log(LogLevel::off, 0);
  const auto& list = spdlog::default_logger()->sinks();
  const auto at_first = list;
  log_to_file(folder.path() / "log");
  EXPECT_EQ(list, at_first);
  before_each_line([] {});
  EXPECT_EQ(list, at_first);
  before_each_line({});
  EXPECT_EQ(list, at_first);
}

TEST(Log, OnlyLinesThatTheTerminalShowsAreAnnounced) {
  const TempFolder folder;
  open_log(LogLevel::warn, 0);
  log_to_file(folder.path() / "log");
  int announced = 0;
  before_each_line([&] { ++announced; });
  testing::internal::CaptureStderr();
  for (const auto level : {spdlog::level::trace, spdlog::level::debug, spdlog::level::info})
    spdlog::log(level, "unseen");
  EXPECT_EQ(announced, 0);
  spdlog::warn("seen");
  EXPECT_EQ(announced, 1);
  before_each_line({});
  spdlog::error("seen");
  EXPECT_EQ(announced, 1);
  testing::internal::GetCapturedStderr();
}

TEST(Log, NoCallIsInProgressOnceTheActionIsRemovedWhileOthersLog) {
  open_log(LogLevel::info, 0);
  testing::internal::CaptureStderr();
  std::atomic<bool> stop = false, removed = false, called_too_late = false;
  std::jthread logging([&] {
    while (!stop) spdlog::info("line");
  });
  for (int i = 0; i < 200; ++i) {
    removed = false;
    before_each_line([&] {
      std::this_thread::yield();
      if (removed) called_too_late = true;
    });
    std::this_thread::yield();
    before_each_line({});
    removed = true;
  }
  stop = true;
  logging.join();
  testing::internal::GetCapturedStderr();
  EXPECT_FALSE(called_too_late);
}

TEST(Log, FileThatCannotBeOpenedIsNamed) {
  const TempFolder folder;
  open_log(LogLevel::off, 0);
  write_file(folder.path() / "file", "");
  try {
    log_to_file(folder.path() / "file" / "log");
    FAIL() << "a file is no folder";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::storage);
    EXPECT_NE(std::string(error.what()).find("file/log: the log cannot be opened"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace wf
