// tests/pipeline/text/normalizer_test.cpp: every kind of normalizer; the expected results are those of Hugging Face's
// tokenizers 0.21.
#include "pipeline/text/normalizer.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "pipeline/text/charsmap.hpp"
#include "pipeline/text/tokenizer.hpp"

namespace wf {
namespace {

std::string normalized(const std::string& json, const std::string& text) {
  const auto description = nlohmann::json::parse(json);
  return read_normalizer(JsonView(description, "file: normalizer"))(text);
}

TEST(Normalizer, NullLeavesTheTextUnchanged) { EXPECT_EQ(normalized("null", " ﬁ É "), " ﬁ É "); }

TEST(Normalizer, NormalFormsAreThoseOfUnicode) {
  EXPECT_EQ(normalized(R"({"type": "NFC"})", "e\u0301ﬁ"), "\u00e9ﬁ");
  EXPECT_EQ(normalized(R"({"type": "NFD"})", "\u00e9ﬁ"), "e\u0301ﬁ");
  EXPECT_EQ(normalized(R"({"type": "NFKC"})", "e\u0301ﬁ①"), "\u00e9fi1");
  EXPECT_EQ(normalized(R"({"type": "NFKD"})", "\u00e9ﬁ½"), "e\u0301fi1\u20442");
}

TEST(Normalizer, LowercaseTakesEachLetterByItself) {
  EXPECT_EQ(normalized(R"({"type": "Lowercase"})", "ÀΣΑΣ İ ß"), "àσασ i\u0307 ß");
}

TEST(Normalizer, StripWorksOnTheRequestedSides) {
  EXPECT_EQ(normalized(R"({"type": "Strip", "strip_left": true, "strip_right": false})", " \u3000a "), "a ");
  EXPECT_EQ(normalized(R"({"type": "Strip", "strip_left": false, "strip_right": true})", " a\t "), " a");
  EXPECT_EQ(normalized(R"({"type": "Strip", "strip_left": true, "strip_right": true})", "  "), "");
}

TEST(Normalizer, StripAccentsDropsMarksButDoesNotDecompose) {
  EXPECT_EQ(normalized(R"({"type": "StripAccents"})", "e\u0301\u00e9"), "e\u00e9");
}

TEST(Normalizer, NmtDropsControlsAndMakesSpaces) {
  EXPECT_EQ(normalized(R"({"type": "Nmt"})", "a\x01\x7f\tb\u200Bc\u2581d\u2028"), "a b c d ");
}

TEST(Normalizer, PrependLeavesAnEmptyTextEmpty) {
  EXPECT_EQ(normalized(R"({"type": "Prepend", "prepend": "▁"})", "a"), "▁a");
  EXPECT_EQ(normalized(R"({"type": "Prepend", "prepend": "▁"})", ""), "");
}

TEST(Normalizer, ReplaceReplacesAString) {
  EXPECT_EQ(normalized(R"({"type": "Replace", "pattern": {"String": "aa"}, "content": "b"})", "aaaxaa"), "baxb");
  EXPECT_EQ(normalized(R"({"type": "Replace", "pattern": {"String": "."}, "content": ""})", "a.b"), "ab");
}

TEST(Normalizer, ReplaceReplacesAPattern) {
  EXPECT_EQ(normalized(R"({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"})", "a  b c    "),
            "a▁b c▁");
}

TEST(Normalizer, SequenceRunsInItsOrder) {
  EXPECT_EQ(normalized(R"({"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"},
                          {"type": "Lowercase"}, {"type": "Replace", "pattern": {"String": "e"}, "content": "E"}]})",
                       "\u00c9\u00e8x"),
            "EEx");
}

TEST(Normalizer, BertCleansSeparatesChineseAndStripsAccents) {
  EXPECT_EQ(normalized(R"({"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                          "strip_accents": null, "lowercase": true})",
                       "\u00c9\x01\t猫x"),
            "e  猫 x");
}

TEST(Normalizer, PrecompiledReplacesGraphemesOfFewerThanSixBytesWhole) {
  std::ifstream file(WF_TEST_DATA "/golden/tiny/google/umt5-xxl/tokenizer.json");
  const auto published = nlohmann::json::parse(file)["normalizer"].dump();
  EXPECT_EQ(normalized(published, "ﬁ①\u00a0x\t½"), "fi1 x 1\u20442");
  EXPECT_EQ(normalized(published, "e\u0301"), "\u00e9");
  EXPECT_EQ(normalized(published, "\uFF76\uFF9E"), "\u30AB\u3099");  // six bytes: character by character
  EXPECT_EQ(normalized(published, "👩\u200d🚀"), "👩\u200d🚀");
}

TEST(Normalizer, ADamagedCharsmapIsNotReadOutOfBounds) {
  const auto unit = [](std::uint32_t value) {
    return std::string{static_cast<char>(value), static_cast<char>(value >> 8), static_cast<char>(value >> 16),
                       static_cast<char>(value >> 24)};
  };
  // The root's children lie far outside; then an entry whose replacement does, and one within a character.
  EXPECT_EQ(Charsmap(unit(4) + unit(0x7FFFFC00)).apply("abc"), "abc");
  const auto with_value = [&](std::uint32_t value) {  // 'a' at unit 1 ^ 'a'; its value at unit 0x60 ^ 1
    std::string trie;
    for (std::uint32_t i = 0; i < 128; ++i)
      trie += unit(i == 0 ? 1 << 10 : i == (1 ^ 'a') ? 'a' | 0x100 | 1 << 10 : value);
    return Charsmap(unit(512) + trie + std::string("A\0é\0", 5)).apply("abc");
  };
  EXPECT_EQ(with_value(0), "Abc");
  EXPECT_EQ(with_value(2), "ébc");
  EXPECT_EQ(with_value(3), "abc");
  EXPECT_EQ(with_value(5), "bc");
  EXPECT_EQ(with_value(6), "abc");
  EXPECT_EQ(with_value(0x7FFFFFFF), "abc");
}

TEST(Normalizer, RefusesToExpandATextBeyondItsLimit) {
  std::string doubling = R"({"type": "Replace", "pattern": {"String": "a"}, "content": "aa"})";
  std::string list = doubling;
  for (int i = 0; i < 30; ++i) list += "," + doubling;
  EXPECT_THROW(normalized(R"({"type": "Sequence", "normalizers": [)" + list + "]}", "a"), Error);
}

}  // namespace
}  // namespace wf
