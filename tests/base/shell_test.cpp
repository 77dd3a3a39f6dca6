// tests/base/shell_test.cpp: what a shell makes of our command lines.
#include "base/shell.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/temp_folder.hpp"

namespace wf {
namespace {

TEST(Shell, ReadsTheWordsAsTheyAre) {
  const test::TempFolder folder;
  const std::vector<std::string> words{"a b", "it's", "$HOME `x` \"\\", "", "plain-1.yaml", "*", "two\nlines", "~"};
  const std::string out = (folder / "out").string();
  ASSERT_EQ(std::system(("printf '%s\\n' " + shell_command(words) + " >" + out).c_str()), 0);
  EXPECT_EQ(read_file(out), "a b\nit's\n$HOME `x` \"\\\n\nplain-1.yaml\n*\ntwo\nlines\n~\n");
}

TEST(Shell, PlainWordsHaveNoQuotes) {
  EXPECT_EQ(shell_command({"wanfarm", "render", "a/b.yaml", "--size=96x96"}), "wanfarm render a/b.yaml --size=96x96");
}

}  // namespace
}  // namespace wf
