// tests/base/log_test.cpp: the log file.
#include "base/log.hpp"

#include <gtest/gtest.h>

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
TEST(Log, OpeningTheFileLeavesTheListOfSinksThatOtherThreadsReadUnchanged) {
  const TempFolder folder;
  open_log(LogLevel::off, 0);
  const auto& list = spdlog::default_logger()->sinks();
  const auto before = list;
  log_to_file(folder.path() / "log");
  EXPECT_EQ(list, before);
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
