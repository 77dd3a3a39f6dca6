// tests/shapes_check/tokenizer_test.cpp: the shapes checkpoint's tokenizer.json gives the same ids as the sentencepiece
// library with its spiece.model (tokens.json, made by models/shapes/train/make_tokenizer.py), and accepts any text.
#include "pipeline/text/tokenizer.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "pipeline/text/clean_text.hpp"

namespace wf {
namespace {

using Ids = std::vector<std::int64_t>;
constexpr std::int64_t specials = 4, bytes = 256;

Tokenizer shapes_tokenizer() { return Tokenizer(Path(WF_SHAPES_MODEL "/google/umt5-xxl/tokenizer.json")); }

TEST(ShapesTokenizer, GivesTheIdsOfSentencePiece) {
  std::ifstream file(WF_SHAPES_TOKENS);
  const auto cases = nlohmann::json::parse(file);
  ASSERT_GT(cases.size(), 220u);
  const Tokenizer tokenizer = shapes_tokenizer();
  for (const auto& one : cases)
    EXPECT_EQ(tokenizer.encode(one["text"].get<std::string>()), one["ids"].get<Ids>()) << one["text"];
}

TEST(ShapesTokenizer, HasUmt5sSpecialIds) {
  const Tokenizer tokenizer = shapes_tokenizer();
  EXPECT_EQ(tokenizer.piece(0), "<pad>");
  EXPECT_EQ(tokenizer.piece(1), "</s>");
  EXPECT_EQ(tokenizer.piece(2), "<s>");
  EXPECT_EQ(tokenizer.piece(3), "<unk>");
  EXPECT_EQ(tokenizer.encode(""), Ids{1});
}

TEST(ShapesTokenizer, AWordOfTheWorldIsOnePieceInAnyCase) {
  const Tokenizer tokenizer = shapes_tokenizer();
  for (const char* word : {"red", "Orange", "YELLOW", "green", "cyan", "blue", "purple", "white", "black", "grey",
                           "circle", "square", "triangle", "star", "ring", "left", "right", "diagonally"}) {
    const Ids ids = tokenizer.encode(word);
    EXPECT_EQ(ids.size(), 2u) << word;
    EXPECT_GE(ids[0], specials + bytes) << word;
  }
}

TEST(ShapesTokenizer, AnyBytesGiveIdsAndNothingUnknown) {
  const Tokenizer tokenizer = shapes_tokenizer();
  std::uint64_t state = 1;
  for (int i = 0; i < 2000; ++i) {
    std::string text;
    for (int k = 0; k < i % 40; ++k) text += static_cast<char>((state = state * 6364136223846793005 + 1) >> 56);
    for (const std::string& given : {text, clean_text(text)}) {
      const Ids ids = tokenizer.encode(given);
      EXPECT_EQ(ids.back(), 1);
      for (const std::int64_t id : ids) EXPECT_TRUE(id >= 0 && id < tokenizer.vocabulary_size() && id != 3) << i;
    }
  }
}

}  // namespace
}  // namespace wf
