// tests/base/log_test.cpp: the log file, and what happens before lines of the terminal.
#include "base/log.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
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

/// spdlog looks at TERM once, when the first terminal is opened.
const int term_is_set = ::setenv("TERM", "xterm", 1);

/// The bytes that a terminal gets for a warning.
std::string shown_on_a_terminal() {
  const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY);
  if (terminal < 0 || ::grantpt(terminal) != 0 || ::unlockpt(terminal) != 0) return "no terminal";
  const int its_end = ::open(::ptsname(terminal), O_RDWR | O_NOCTTY), before = ::dup(STDERR_FILENO);
  ::dup2(its_end, STDERR_FILENO);
  open_log(LogLevel::warn, 0);
  spdlog::warn("line");
  ::dup2(before, STDERR_FILENO);
  char text[200] = {};
  const ssize_t size = ::read(terminal, text, sizeof(text));
  for (const int descriptor : {terminal, its_end, before}) ::close(descriptor);
  return {text, static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
}

TEST(Log, HasColoursUnlessNoColorIsSet) {
  ASSERT_EQ(term_is_set, 0);
  ::unsetenv("NO_COLOR");
  EXPECT_NE(shown_on_a_terminal().find("\033["), std::string::npos);
  ::setenv("NO_COLOR", "", 1);
  EXPECT_NE(shown_on_a_terminal().find("\033["), std::string::npos) << "set to nothing";
  ::setenv("NO_COLOR", "1", 1);
  const std::string plain = shown_on_a_terminal();
  ::unsetenv("NO_COLOR");
  EXPECT_NE(plain.find("[rank 000] line"), std::string::npos) << plain;
  EXPECT_EQ(plain.find("\033["), std::string::npos) << plain;
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
