// tests/pipeline/text/tokenizer_test.cpp: the Unigram model, unknown characters, truncation and the post-processor.
#include "pipeline/text/tokenizer.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "tests/pipeline/text/small_tokenizer.hpp"

namespace wf {
namespace {

using test::Ids;
using test::small_tokenizer;
using test::tokenizer_of;

TEST(Tokenizer, TakesTheSplitWithTheBestSum) {
  const Tokenizer tokenizer = tokenizer_of(small_tokenizer());
  EXPECT_EQ(tokenizer.encode("cat"), (Ids{9, 1}));
  EXPECT_EQ(tokenizer.encode("aab"), (Ids{7, 6, 1}));  // ▁a ab: -9; ▁a a b: -10; ▁ a ab: -10
  EXPECT_EQ(tokenizer.encode("ab"), (Ids{3, 6, 1}));  // ▁ ab and ▁a b are both -7: the piece that starts first stays
}

TEST(Tokenizer, ATieGoesToThePieceThatStartsFurtherLeft) {
  nlohmann::json file = small_tokenizer();
  file["model"]["vocab"] =
      nlohmann::json::parse(R"([["<pad>", 0], ["</s>", 0], ["<unk>", 0], ["▁", -1], ["a", -1], ["aa", -2]])");
  EXPECT_EQ(tokenizer_of(file).encode("aa"), (Ids{3, 5, 1}));
  EXPECT_EQ(tokenizer_of(file).encode("aaa"), (Ids{3, 4, 5, 1}));  // "aa" is reached first by one piece, then by two
}

TEST(Tokenizer, ARunOfUnknownCharactersIsOneId) {
  const Tokenizer tokenizer = tokenizer_of(small_tokenizer());
  EXPECT_EQ(tokenizer.encode("猫犬 xyz"), (Ids{3, 2, 3, 2, 1}));
  EXPECT_EQ(tokenizer.encode("a猫b犬"), (Ids{7, 2, 5, 2, 1}));
  EXPECT_EQ(tokenizer.encode("猫<unk>犬"), (Ids{3, 2, 1}));  // the piece <unk> itself joins the run
}

TEST(Tokenizer, ByteFallbackSpellsUnknownCharactersIfTheVocabularyHasAllBytes) {
  nlohmann::json file = small_tokenizer();
  file["model"]["byte_fallback"] = true;
  for (const char* byte : {"<0xC3>", "<0xA9>"}) file["model"]["vocab"].push_back({byte, 0});
  EXPECT_EQ(tokenizer_of(file).encode("aé"), (Ids{7, 10, 11, 1}));
  EXPECT_EQ(tokenizer_of(file).encode("aéè"), (Ids{7, 2, 1}));
}

TEST(Tokenizer, WithoutUnkIdAnUnknownCharacterIsAnError) {
  nlohmann::json file = small_tokenizer();
  file["model"]["unk_id"] = nullptr;
  const Tokenizer tokenizer = tokenizer_of(file);
  EXPECT_EQ(tokenizer.encode("a"), (Ids{7, 1}));
  EXPECT_THROW(tokenizer.encode("猫"), Error);
}

TEST(Tokenizer, AnEmptyTextGivesOnlyTheEndToken) {
  EXPECT_EQ(tokenizer_of(small_tokenizer()).encode(""), (Ids{1}));
  EXPECT_EQ(tokenizer_of(small_tokenizer()).encode(" "), (Ids{3, 1}));
}

TEST(Tokenizer, TruncationKeepsTheEndToken) {
  const Tokenizer tokenizer = tokenizer_of(small_tokenizer());
  EXPECT_EQ(tokenizer.encode("cat cat a", 4), (Ids{9, 9, 7, 1}));
  EXPECT_EQ(tokenizer.encode("cat cat a", 3), (Ids{9, 9, 1}));
  EXPECT_EQ(tokenizer.encode("cat cat a", 1), (Ids{1}));
  EXPECT_EQ(tokenizer.encode("cat cat a", 0), (Ids{}));
  std::string cats;
  for (int i = 0; i < 600; ++i) cats += "cat ";
  const Ids ids = tokenizer.encode(cats);
  EXPECT_EQ(ids.size(), 512u);
  EXPECT_EQ(ids.back(), 1);
}

TEST(Tokenizer, TruncationIsOnTheLeftIfTheFileAsksForIt) {
  nlohmann::json file = small_tokenizer();
  file["truncation"] = {{"direction", "Left"}, {"max_length", 9}, {"strategy", "LongestFirst"}, {"stride", 0}};
  EXPECT_EQ(tokenizer_of(file).encode("cat cat a", 3), (Ids{9, 7, 1}));
}

TEST(Tokenizer, TheTemplateMayPrependIdsOrAddNone) {
  nlohmann::json file = small_tokenizer();
  nlohmann::json& single = file["post_processor"]["single"];
  single = {single[1], single[0], single[1]};
  EXPECT_EQ(tokenizer_of(file).encode("cat a", 3), (Ids{1, 9, 1}));
  file["post_processor"] = nullptr;
  EXPECT_EQ(tokenizer_of(file).encode("cat a"), (Ids{9, 7}));
}

TEST(Tokenizer, BytesThatAreNotUtf8AreUnknown) {
  EXPECT_EQ(tokenizer_of(small_tokenizer()).encode("a\xff\xf0\x9f"), (Ids{7, 2, 1}));
}

TEST(Tokenizer, AnIdOutsideTheVocabularyIsAnError) {
  const Tokenizer tokenizer = tokenizer_of(small_tokenizer());
  EXPECT_EQ(tokenizer.vocabulary_size(), 10);
  EXPECT_EQ(tokenizer.piece(9), "▁cat");
  EXPECT_THROW(tokenizer.piece(10), Error);
  EXPECT_THROW(tokenizer.piece(-1), Error);
}

}  // namespace
}  // namespace wf
