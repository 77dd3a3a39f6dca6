// tests/launcher/preview/terminal_test.cpp: which terminals show pictures, and how.
#include "launcher/preview/terminal.hpp"

#include <gtest/gtest.h>

#include <map>

namespace wf {
namespace {

bool kitty_graphics(const std::map<std::string, std::string>& variables) {
  return has_kitty_graphics([&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? "" : found->second;
  });
}

TEST(Terminal, KittyGhosttyAndWezTermAreKnown) {
  EXPECT_TRUE(kitty_graphics({{"TERM", "xterm-kitty"}}));
  EXPECT_TRUE(kitty_graphics({{"TERM", "xterm-256color"}, {"KITTY_WINDOW_ID", "1"}}));
  EXPECT_TRUE(kitty_graphics({{"TERM", "xterm-ghostty"}}));
  EXPECT_TRUE(kitty_graphics({{"TERM", "xterm-256color"}, {"TERM_PROGRAM", "WezTerm"}}));
  EXPECT_FALSE(kitty_graphics({{"TERM", "xterm-256color"}}));
  EXPECT_FALSE(kitty_graphics({}));
}

TEST(Terminal, TmuxAndScreenPassNoPicturesOn) {
  EXPECT_FALSE(
      kitty_graphics({{"TERM", "tmux-256color"}, {"TMUX", "/tmp/tmux-0/default,1,0"}, {"KITTY_WINDOW_ID", "1"}}));
  EXPECT_FALSE(kitty_graphics({{"TERM", "screen"}, {"TERM_PROGRAM", "WezTerm"}}));
}

TEST(Terminal, SixelIsAttributeFour) {
  EXPECT_TRUE(names_sixel("\x1b[?62;4;6;22c"));
  EXPECT_TRUE(names_sixel("\x1b[?4c"));
  EXPECT_FALSE(names_sixel("\x1b[?62;14;40;22c")) << "no other number that has a 4 in it";
  EXPECT_FALSE(names_sixel("\x1b[?1;2c"));
  EXPECT_FALSE(names_sixel("")) << "no answer";
  EXPECT_FALSE(names_sixel("\x1b[?62;4")) << "half an answer";
}

}  // namespace
}  // namespace wf
