// tests/pipeline/text/added_tokens_test.cpp: added tokens are split off a text before the model sees it.
#include <gtest/gtest.h>

#include "tests/pipeline/text/small_tokenizer.hpp"

namespace wf {
namespace {

using test::Ids;
using test::small_tokenizer;
using test::tokenizer_of;

nlohmann::json added(const std::string& content, nlohmann::json flags = nlohmann::json::object()) {
  nlohmann::json token = {{"id", 0},         {"content", content},  {"single_word", false}, {"lstrip", false},
                          {"rstrip", false}, {"normalized", false}, {"special", true}};
  token.update(flags);
  return token;
}

Tokenizer with(const std::vector<nlohmann::json>& tokens, nlohmann::json normalizer = nullptr) {
  nlohmann::json file = small_tokenizer();
  file["added_tokens"] = tokens;
  file["normalizer"] = normalizer;
  file["post_processor"] = nullptr;
  return tokenizer_of(file);
}

TEST(AddedTokens, AreSplitOffAndEachChunkGetsItsOwnPrefix) {
  EXPECT_EQ(tokenizer_of(small_tokenizer()).encode("a</s>a </s> b"), (Ids{7, 1, 7, 3, 1, 3, 5, 1}));
}

TEST(AddedTokens, TakeTheirIdFromTheVocabularyOrTheNextFreeOne) {
  const Tokenizer tokenizer = with({added("<x>"), added("cat"), added("ab"), added("<y>")});
  EXPECT_EQ(tokenizer.encode("<x>cat"), (Ids{10, 11}));
  EXPECT_EQ(tokenizer.encode("ab<y>"), (Ids{6, 12}));
  EXPECT_EQ(tokenizer.vocabulary_size(), 13);
  EXPECT_EQ(tokenizer.piece(12), "<y>");
}

TEST(AddedTokens, TheLongestThatStartsFirstWins) {
  EXPECT_EQ(with({added("<a"), added("<ab>"), added("b>")}).encode("<ab><ab"), (Ids{11, 10, 3, 5}));
}

TEST(AddedTokens, StripTheSpaceAroundThem) {
  EXPECT_EQ(with({added("<x>", {{"lstrip", true}})}).encode("a  <x> a"), (Ids{7, 10, 7}));
  EXPECT_EQ(with({added("<x>", {{"rstrip", true}})}).encode("a <x>  a"), (Ids{7, 3, 10, 7}));
  EXPECT_EQ(with({added("<x>", {{"lstrip", true}, {"rstrip", true}})}).encode("a <x> <x> "), (Ids{7, 10, 10}));
}

TEST(AddedTokens, SingleWordsMatchOnlyBetweenNonWords) {
  const Tokenizer tokenizer = with({added("a", {{"single_word", true}})});
  EXPECT_EQ(tokenizer.encode("a"), (Ids{4}));
  EXPECT_EQ(tokenizer.encode("ab"), (Ids{3, 6}));
  EXPECT_EQ(tokenizer.encode("ba"), (Ids{3, 5, 4}));
}

TEST(AddedTokens, NormalizedOnesAreFoundInTheNormalizedText) {
  const nlohmann::json lowercase = {{"type", "Lowercase"}};
  EXPECT_EQ(with({added("CC", {{"normalized", true}})}, lowercase).encode("acC a"), (Ids{7, 10, 7}));
  EXPECT_EQ(with({added("CC")}, lowercase).encode("acC a"), (Ids{7, 8, 8, 7}));
}

TEST(AddedTokens, TheFirstSchemePrefixesOnlyTheStartOfTheText) {
  nlohmann::json file = small_tokenizer();
  file["pre_tokenizer"]["prepend_scheme"] = "first";
  EXPECT_EQ(tokenizer_of(file).encode("a</s>a"), (Ids{7, 1, 4, 1}));
  EXPECT_EQ(tokenizer_of(file).encode("</s>a"), (Ids{1, 4, 1}));
}

}  // namespace
}  // namespace wf
