// tests/pipeline/text/unicode_test.cpp: the Unicode layer, the byte trie and base64.
#include "pipeline/text/unicode.hpp"

#include <gtest/gtest.h>

#include <map>

#include "pipeline/text/byte_trie.hpp"
#include "pipeline/text/charsmap.hpp"

namespace wf {
namespace {

TEST(Unicode, Utf8RoundTrips) {
  const std::u32string all = U"a\u00e9\u0800\uFFFD\U00010000\U0010FFFF\0z";
  EXPECT_EQ(to_code_points(to_utf8(all)), all);
  EXPECT_EQ(valid_utf8(to_utf8(all)), to_utf8(all));
}

TEST(Unicode, OverlongAndTooLargeSequencesAreNotUtf8) {
  EXPECT_EQ(valid_utf8("\xc0\xaf"), "\uFFFD\uFFFD");
  EXPECT_EQ(valid_utf8("\xf4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(valid_utf8("\xe2\x82"), "\uFFFD");
}

TEST(Unicode, GraphemesKeepMarksAndJoinedEmojiTogether) {
  const std::vector<std::string_view> clusters = graphemes("e\u0301x\r\n👩\u200d🚀🇩🇪");
  EXPECT_EQ(clusters, (std::vector<std::string_view>{"e\u0301", "x", "\r\n", "👩\u200d🚀", "🇩🇪"}));
}

TEST(ByteTrie, FindsEveryKeyThatATextBeginsWithShortestFirst) {
  const std::vector<std::string_view> keys = {"ab", "b", "a", "", "abcd", "\xff", "abcdefghij", "abcdefghik"};
  const ByteTrie trie(keys);
  std::vector<std::pair<std::size_t, std::uint32_t>> found;
  trie.prefixes("abcdefghikl", [&](std::size_t length, std::uint32_t key) { found.emplace_back(length, key); });
  EXPECT_EQ(found, (std::vector<std::pair<std::size_t, std::uint32_t>>{{1, 2}, {2, 0}, {4, 4}, {10, 7}}));
  EXPECT_EQ(trie.find("\xff"), 5u);
  EXPECT_EQ(trie.find("abc"), std::nullopt);
  EXPECT_EQ(trie.find(""), std::nullopt);
  EXPECT_EQ(trie.duplicate(), std::nullopt);
  EXPECT_EQ(ByteTrie().find("a"), std::nullopt);
}

TEST(ByteTrie, FindsADuplicateKey) {
  const std::vector<std::string_view> keys = {"x", "same key", "y", "same key"};
  const ByteTrie trie(keys);
  EXPECT_EQ(trie.duplicate(), 3u);
  EXPECT_EQ(trie.find("same key"), 1u);
}

TEST(Base64, IsStrict) {
  EXPECT_EQ(decode_base64("TWFu"), "Man");
  EXPECT_EQ(decode_base64("TWE="), "Ma");
  EXPECT_EQ(decode_base64("TQ=="), "M");
  EXPECT_EQ(decode_base64(""), "");
  EXPECT_EQ(decode_base64("TWF"), std::nullopt);
  EXPECT_EQ(decode_base64("T-Fu"), std::nullopt);
  EXPECT_EQ(decode_base64("TQ==TQ=="), std::nullopt);
}

}  // namespace
}  // namespace wf
