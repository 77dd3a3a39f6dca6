// tests/base/files_test.cpp: a file is the old one or the new one, whichever step of the write fails.
#include "base/files.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <fstream>

#include "base/error.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

/// The Error that `action` throws; the test fails when it throws none.
template <class Action>
Error thrown(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return Error(Error::internal, "");
}

class Files : public ::testing::Test {
 protected:
  ~Files() override { inject_file_faults({}); }

  static void fail_at(FileStep step, int error) {
    inject_file_faults([=](FileStep at, const Path&) { return at == step ? error : 0; });
  }

  test::TempFolder folder;
};

TEST_F(Files, WhatIsWrittenIsReadBack) {
  const std::string content("a\0b\n", 4);
  write_file(folder / "a", content);
  EXPECT_EQ(read_file(folder / "a"), content);
  write_file(folder / "a", "");
  EXPECT_EQ(read_file(folder / "a"), "");
}

TEST_F(Files, ReadingAMissingFileNamesItAndTheReason) {
  const Error error = thrown([&] { read_file(folder / "none"); });
  EXPECT_EQ(error.kind(), Error::input);
  EXPECT_EQ(error.what(), (folder / "none").string() + ": cannot be opened: No such file or directory");
}

TEST_F(Files, AFaultBeforeTheRenameLeavesTheOldFileAndNoPart) {
  write_file(folder / "a", "old");
  for (const FileStep step : {FileStep::open, FileStep::write, FileStep::flush, FileStep::rename}) {
    fail_at(step, ENOSPC);
    const Error error = thrown([&] { write_file(folder / "a", "new"); });
    EXPECT_EQ(error.kind(), Error::storage);
    EXPECT_NE(std::string(error.what()).find("No space left on device"), std::string::npos) << error.what();
    EXPECT_EQ(read_file(folder / "a"), "old") << "step " << static_cast<int>(step);
    EXPECT_FALSE(std::filesystem::exists(folder / "a.part")) << "step " << static_cast<int>(step);
  }
}

TEST_F(Files, AFaultAfterTheRenameIsAnErrorAndTheNewFileIsThere) {
  fail_at(FileStep::flush_folder, EIO);
  EXPECT_EQ(thrown([&] { write_file(folder / "a", "new"); }).kind(), Error::storage);
  EXPECT_EQ(read_file(folder / "a"), "new");
}

TEST_F(Files, StepsComeInTheOrderThatSurvivesACrash) {
  std::vector<FileStep> steps;
  inject_file_faults([&](FileStep step, const Path&) {
    steps.push_back(step);
    return 0;
  });
  write_file(folder / "a", "x");
  const std::vector<FileStep> expected{FileStep::open, FileStep::write, FileStep::flush, FileStep::rename,
                                       FileStep::flush_folder};
  EXPECT_EQ(steps, expected);
}

TEST_F(Files, AReplacedFileIsTheOldOneOrTheNewOneAndIsNotFlushed) {
  replace_file(folder / "a", "old");
  std::vector<FileStep> steps;
  inject_file_faults([&](FileStep step, const Path&) {
    steps.push_back(step);
    return step == FileStep::rename && steps.size() > 3 ? EIO : 0;
  });
  replace_file(folder / "a", "new");
  EXPECT_EQ(steps, (std::vector<FileStep>{FileStep::open, FileStep::write, FileStep::rename}));
  EXPECT_EQ(thrown([&] { replace_file(folder / "a", "newer"); }).kind(), Error::storage);
  EXPECT_EQ(read_file(folder / "a"), "new");
  EXPECT_FALSE(std::filesystem::exists(folder / "a.part"));
}

TEST_F(Files, WhatIsAppendedComesBehindWhatIsThere) {
  write_file(folder / "a", "one\n");
  AppendFile file(folder / "a");
  file.append("two\n");
  EXPECT_EQ(read_file(folder / "a"), "one\ntwo\n");
  file.flush();
  fail_at(FileStep::flush, EIO);
  EXPECT_EQ(thrown([&] { file.flush(); }).kind(), Error::storage);
  inject_file_faults({});
  std::filesystem::remove(folder / "a");
  EXPECT_EQ(thrown([&] { file.flush(); }).what(), (folder / "a").string() + ": has been removed");
}

TEST_F(Files, APartThatCannotBePublishedStays) {
  std::ofstream(folder / "a.part") << "whole";
  fail_at(FileStep::rename, EACCES);
  EXPECT_EQ(thrown([&] { publish_file(folder / "a.part", folder / "a"); }).kind(), Error::storage);
  EXPECT_EQ(read_file(folder / "a.part"), "whole");
  EXPECT_FALSE(std::filesystem::exists(folder / "a"));
}

TEST_F(Files, APartFileIsWrittenInAnyOrderAndHasItsNameOnceItIsPublished) {
  PartFile file(folder / "a");
  file.write(3, "def");
  file.write(0, "abc");
  file.flush();
  EXPECT_FALSE(std::filesystem::exists(folder / "a"));
  file.publish();
  EXPECT_EQ(read_file(folder / "a"), "abcdef");
  EXPECT_FALSE(std::filesystem::exists(folder / "a.part"));
}

TEST_F(Files, APartFileThatIsNotPublishedLeavesTheOldFileAndNoPart) {
  write_file(folder / "a", "old");
  for (const FileStep step : {FileStep::open, FileStep::write, FileStep::flush, FileStep::rename}) {
    fail_at(step, ENOSPC);
    const Error error = thrown([&] {
      PartFile file(folder / "a");
      file.write(0, "new");
      file.flush();
      file.publish();
    });
    EXPECT_EQ(error.kind(), Error::storage);
    EXPECT_EQ(read_file(folder / "a"), "old") << "step " << static_cast<int>(step);
    EXPECT_FALSE(std::filesystem::exists(folder / "a.part")) << "step " << static_cast<int>(step);
  }
}

TEST_F(Files, MakeFolderRefusesAFileInItsPlace) {
  make_folder(folder / "x/y/z");
  make_folder(folder / "x/y/z");
  EXPECT_TRUE(std::filesystem::is_directory(folder / "x/y/z"));
  std::ofstream(folder / "file") << "";
  EXPECT_EQ(thrown([&] { make_folder(folder / "file"); }).kind(), Error::input);
}

TEST_F(Files, AMappedFileShowsAndReadsItsBytes) {
  write_file(folder / "a", "0123456789");
  const MappedFile file(folder / "a");
  ASSERT_EQ(file.bytes().size(), 10u);
  EXPECT_EQ(static_cast<char>(file.bytes().back()), '9');
  std::string part(4, ' ');
  file.read(3, std::as_writable_bytes(std::span(part)));
  EXPECT_EQ(part, "3456");
}

TEST_F(Files, AMappedFileThatBecameShorterIsNamed) {
  write_file(folder / "a", "0123456789");
  const MappedFile file(folder / "a");
  std::filesystem::resize_file(folder / "a", 5);
  std::string whole(10, ' ');
  const Error error = thrown([&] { file.read(0, std::as_writable_bytes(std::span(whole))); });
  EXPECT_EQ(error.kind(), Error::environment);
  EXPECT_NE(std::string(error.what()).find((folder / "a").string() + ": has become shorter"), std::string::npos);
}

TEST_F(Files, AnEmptyFileMapsToNothingAndAFolderIsRefused) {
  write_file(folder / "empty", "");
  EXPECT_TRUE(MappedFile(folder / "empty").bytes().empty());
  EXPECT_EQ(thrown([&] { MappedFile{folder.path()}; }).kind(), Error::environment);
  EXPECT_EQ(thrown([&] { MappedFile{folder / "none"}; }).kind(), Error::environment);
}

}  // namespace
}  // namespace wf
