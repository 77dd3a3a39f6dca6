// tests/pipeline/text/pattern_test.cpp: the regular expressions of Replace; the expected results are those of
// Oniguruma.
#include "pipeline/text/pattern.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace wf {
namespace {

std::string replaced(const std::string& expression, const std::string& text) {
  return Pattern(expression).replace_all(text, "_");
}

TEST(Pattern, QuantifiersAreGreedy) {
  EXPECT_EQ(replaced("a+", "aab a"), "_b _");
  EXPECT_EQ(replaced("ba{2}", "baaaa ba"), "_aa ba");
  EXPECT_EQ(replaced("a{2,3}", "a aa aaaaa"), "a _ __");
  EXPECT_EQ(replaced("a{,2}b", "aaab"), "a_");
  EXPECT_EQ(replaced("a?b", "ab b"), "_ _");
  EXPECT_EQ(replaced("x{a}", "x{a}"), "_");
}

TEST(Pattern, GreedyQuantifiersLeaveWhatTheRestNeeds) { EXPECT_EQ(replaced("a*ab.*c", "aaab cc d"), "_ d"); }

TEST(Pattern, ClassesAndEscapesMatchTheirCharacters) {
  EXPECT_EQ(replaced("\\s+", "a \t\u3000b"), "a_b");
  EXPECT_EQ(replaced("[^\\w\\s]", "é, x!"), "é_ x_");
  EXPECT_EQ(replaced("[a-cx-]", "abd-x"), "__d__");
  EXPECT_EQ(replaced("\\d", "a1٣"), "a__");
  EXPECT_EQ(replaced("[\\u0300-\\u036f]", "e\u0301"), "e_");
  EXPECT_EQ(replaced("\\x{1F3AC}\\x41\\.", "🎬A."), "_");
  EXPECT_EQ(replaced(".", "a\n"), "_\n");
}

TEST(Pattern, AnchorsMatchAtLines) {
  EXPECT_EQ(replaced("^a", "aa\na"), "_a\n_");
  EXPECT_EQ(replaced("a$", "aa\na"), "a_\n_");
  EXPECT_EQ(replaced("^\\s+|\\s+$", "  a b "), "_a b_");
}

TEST(Pattern, FirstAlternativeThatMatchesWins) { EXPECT_EQ(replaced("a|ab|c", "abc"), "_b_"); }

TEST(Pattern, EmptyMatchesAreBetweenCharactersButNotAfterAMatch) {
  EXPECT_EQ(replaced("x*", "axb"), "_a_b_");
  EXPECT_EQ(replaced("^", "ab"), "_ab");
}

TEST(Pattern, TakesLinearTimeWhereBacktrackingTakesExponential) {
  std::string expression;
  for (int i = 0; i < 60; ++i) expression += "a*";
  EXPECT_EQ(replaced(expression + "b", std::string(2000, 'a')), std::string(2000, 'a'));
}

TEST(Pattern, UnsupportedSyntaxIsNamed) {
  for (const std::string bad : {"(a)", "a+?", "a*+", "\\p{L}", "\\b", "[a", "[[:alpha:]]", "[z-a]", "*a", "a\\",
                                "a{3,2}", "a{9999}", "(?=x)", "\\x{}"}) {
    try {
      Pattern pattern(bad);
      ADD_FAILURE() << bad << " was accepted";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(bad), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace wf
