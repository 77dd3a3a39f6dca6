// tests/pipeline/text/clean_text_test.cpp: the cleaning of texts; the expected results are those of ftfy 6.3 and
// Python's html module.
#include "pipeline/text/clean_text.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "pipeline/text/html_entities.hpp"
#include "pipeline/text/unicode.hpp"

namespace wf {
namespace {

using std::string_literals::operator""s;

struct Case {
  std::string text, cleaned;
};

void expect_cleaned(const std::vector<Case>& cases) {
  for (const Case& c : cases) EXPECT_EQ(clean_text(c.text), c.cleaned) << c.text;
}

TEST(CleanText, UnescapesHtmlReferences) {
  expect_cleaned({
      {"&amp;lt;b&amp;gt;", "<b>"},
      {"&amp;amp;amp;amp;lt;", "<"},                   // fix_text goes on until nothing changes
      {"<i> &amp;amp;amp;lt;", "<i> &amp;lt;"},        // a text with '<' is HTML: only the two passes at the end
      {"<\n&amp;amp;amp;lt;", "< &amp;lt;"},           // and so are the lines after it
      {"&amp;amp;amp;lt;\n<", "< <"},                  // but not those before it
      {"&eacute;&EACUTE;&Eacute; &SZLIG;", "éÉÉ SS"},  // capitals where HTML knows no such name
      {"&eacute &notit; &ampamp; &copyright", "é ¬it; & ©right"},
      {"&NotEqualTilde;", "≂̸"},
      {"&#39;&#x41;&#X42 &#0; &#xD800; &#x110000; &#128; &#1; &#xFFFF;", "'AB � � � €"},
      {"&#; &#x; & &bogus; &#59; &#12a;", "&#; &#x; & &bogus; ; a;"},
  });
}

TEST(CleanText, ReadsC1ControlsAsWindows1252) {
  expect_cleaned({{"x\u0085y \u0093z\u0094 \u0081", "x…y \"z\" \u0081"}});
}

TEST(CleanText, SplitsLigaturesAndNormalizesWidth) {
  expect_cleaned({
      {"ﬁ ﬂ ﬃ ﬅ ŉ Ĳ Ǆ ǆ ǲ", "fi fl ffi ſt 'n IJ DŽ dž Dz"},
      {"ＡＢＣ１，！　x", "ABC1,! x"},
      {"ﾊﾟｶﾞ", "パガ"},    // half width marks join their message in NFC
      {"½ ² ™", "½ ² ™"},  // other compatibility characters stay
  });
}

TEST(CleanText, StraightensQuotesAndUnifiesWhiteSpace) {
  expect_cleaned({
      {"“a” ‘b’ ʼc „d‟ ‚e‛", "\"a\" 'b' 'c \"d\" 'e'"},
      {"a\r\nb\rc\u2028d\u2029e", "a b c d e"},
      {" \u00A0\u3000a \t\n b\u2003\u1680c ", "a b c"},
      {"a\u200Bb", "a\u200Bb"},  // no white space: stays
      {"a\u180Eb", "a\u180Eb"},
  });
}

TEST(CleanText, RemovesTerminalEscapesAndControlCharacters) {
  expect_cleaned({
      {"\x1b[31;1mred\x1b[0m", "red"},
      {"\x1b[31", "[31"},
      {"a\x1b[١mb", "ab"},  // any decimal digit
      {"a\0b\x07\x0b\x7f\uFEFF\u206A\uFFF9\uFFFC"s, "ab"},
      {"a\x1cz", "az"},
      {"\x1b\x1b[1m[2m x", "[2m x"},  // the first ESC is a control character by then
  });
}

TEST(CleanText, ComposesToNfc) {
  expect_cleaned({{"e\u0301 \u1112\u1161\u11AB \u212B \u0344", "é 한 Å \u0308\u0301"}});
}

TEST(CleanText, ReplacesBytesThatAreNotUtf8) {
  expect_cleaned({
      {"a\xff"
       "b",
       "a\uFFFDb"},
      {"\xe4\xbd"
       "x",
       "\uFFFDx"},                             // the longest piece of a sequence is one character
      {"\xed\xa0\x80", "\uFFFD\uFFFD\uFFFD"},  // a surrogate is no piece of any sequence
      {"\xf0\x9f\x8e", "\uFFFD"},
  });
}

TEST(CleanText, LeavesCleanTextUnchanged) {
  for (const std::string text : {"", "Two cats, boxing.", "一只猫在月光下", "👩‍🚀 𝓐", "схемы"})
    EXPECT_EQ(clean_text(text), text);
}

TEST(HtmlEntities, CertainOnesEndInASemicolonAndHaveAtMost24Letters) {
  const auto certain = [](std::u32string_view text) { return to_utf8(unescape_certain_html(text)); };
  EXPECT_EQ(certain(U"&amp &amp; &#65; &#65x; &#59;"), "&amp & A &#65x; &#59;");
  EXPECT_EQ(certain(U"&CounterClockwiseContourIntegral;"), "&CounterClockwiseContourIntegral;");
  EXPECT_EQ(certain(U"&AMPX; &PLUSMN; &nTILDE;"), "&AMPX; ± &nTILDE;");
}

TEST(HtmlEntities, KnowsAllNames) {
  EXPECT_EQ(to_utf8(unescape_html(U"&CounterClockwiseContourIntegral;&AElig&zwnj;&zwj;")), "∳Æ\u200C\u200D");
}

}  // namespace
}  // namespace wf
