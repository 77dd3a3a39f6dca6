// tests/jobs/list/broken_list_test.cpp: each broken/NN-what.yaml gives exactly the message in NN-what.txt: location,
// text, source line, caret.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.hpp"
#include "jobs/list/job_list.hpp"

namespace wf {
namespace {

const Path folder = Path(WF_TEST_DATA).parent_path() / "jobs" / "broken";

std::vector<std::string> broken_lists() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

class BrokenList : public ::testing::TestWithParam<std::string> {
 protected:
  BrokenList() { std::filesystem::current_path(folder); }  // messages name the file as it was given
  ~BrokenList() override { std::filesystem::current_path(before_); }

 private:
  const Path before_ = std::filesystem::current_path();
};

TEST_P(BrokenList, GivesItsMessage) {
  try {
    read_job_list(GetParam() + ".yaml");
    FAIL() << "the list was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::input);
    EXPECT_EQ(error.what() + std::string("\n"), read_file(GetParam() + ".txt"));
  }
}

INSTANTIATE_TEST_SUITE_P(All, BrokenList, ::testing::ValuesIn(broken_lists()), [](const auto& list) {
  std::string name = list.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(BrokenLists, AreAllFound) { EXPECT_GE(broken_lists().size(), 60u); }

TEST(BrokenLists, AMissingListIsNamed) {
  try {
    read_job_list("no/such/list.yaml");
    FAIL() << "the list was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::input);
    EXPECT_STREQ(error.what(), "no/such/list.yaml: cannot be opened: No such file or directory");
  }
}

TEST(BrokenLists, EndlessNestingIsRefusedQuickly) {
  for (const std::string open : {"[", "{a: ", "- ", "? ", "{", "[a, "}) {
    std::string text;
    for (int i = 0; i < 200'000; ++i) text += open;
    EXPECT_THROW(parse_job_list(text, "deep.yaml"), Error) << open;
  }
}

TEST(BrokenLists, EscapeSequencesInValuesDoNotReachTheTerminal) {
  try {
    parse_job_list("prompts:\n  - {prompt: a, seed: \"\\x1b]0;owned\\x07\"}\n", "a.yaml");
    FAIL() << "the list was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find('\x1b'), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace wf
