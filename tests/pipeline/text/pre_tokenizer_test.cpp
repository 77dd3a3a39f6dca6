// tests/pipeline/text/pre_tokenizer_test.cpp: the splitting of text into words.
#include "pipeline/text/pre_tokenizer.hpp"

#include <gtest/gtest.h>

namespace wf {
namespace {

using Words = std::vector<std::string>;

Words words(const std::string& json, const std::string& text, bool at_start = true) {
  const auto description = nlohmann::json::parse(json);
  Words result;
  for (const Chunk& word : read_pre_tokenizer(JsonView(description, "file: pre_tokenizer"))({{text, at_start}})) {
    result.push_back(word.text);
  }
  return result;
}

std::string metaspace(const std::string& rest) { return R"({"type": "Metaspace", "replacement": "▁")" + rest + "}"; }

TEST(PreTokenizer, NullSplitsNothing) { EXPECT_EQ(words("null", "a b"), Words{"a b"}); }

TEST(PreTokenizer, MetaspacePrependsItsMarkUnlessThereIsOne) {
  EXPECT_EQ(words(metaspace(""), "a b"), (Words{"▁a", "▁b"}));
  EXPECT_EQ(words(metaspace(""), " a  b "), (Words{"▁a", "▁", "▁b", "▁"}));
  EXPECT_EQ(words(metaspace(""), "▁a"), Words{"▁a"});
}

TEST(PreTokenizer, MetaspaceFollowsItsSchemeAndSplit) {
  EXPECT_EQ(words(metaspace(R"(, "prepend_scheme": "never")"), "a b"), (Words{"a", "▁b"}));
  EXPECT_EQ(words(metaspace(R"(, "prepend_scheme": "first")"), "a b", true), (Words{"▁a", "▁b"}));
  EXPECT_EQ(words(metaspace(R"(, "prepend_scheme": "first")"), "a b", false), (Words{"a", "▁b"}));
  EXPECT_EQ(words(metaspace(R"(, "split": false)"), "a b"), Words{"▁a▁b"});
}

TEST(PreTokenizer, MetaspaceIsReadInItsOlderForm) {
  EXPECT_EQ(words(metaspace(R"(, "add_prefix_space": true)"), "a"), Words{"▁a"});
  EXPECT_EQ(words(metaspace(R"(, "add_prefix_space": false)"), "a"), Words{"a"});
  EXPECT_THROW(words(metaspace(R"(, "add_prefix_space": false, "prepend_scheme": "always")"), "a"), Error);
}

TEST(PreTokenizer, WhitespaceSplitDropsTheSpace) {
  EXPECT_EQ(words(R"({"type": "WhitespaceSplit"})", " a,b\u3000c "), (Words{"a,b", "c"}));
}

TEST(PreTokenizer, WhitespaceSeparatesWordsFromTheRest) {
  EXPECT_EQ(words(R"({"type": "Whitespace"})", "it's é_1 ,.x"), (Words{"it", "'", "s", "é_1", ",.", "x"}));
}

TEST(PreTokenizer, SequenceMarksEveryWord) {
  EXPECT_EQ(
      words(R"({"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, )" + metaspace("") + "]}", "a  b"),
      (Words{"▁a", "▁b"}));
}

}  // namespace
}  // namespace wf
