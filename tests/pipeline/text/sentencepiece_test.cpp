// tests/pipeline/text/sentencepiece_test.cpp: a spiece.model gives the ids of the tokenizer.json that is published
// beside it, for every text.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <random>

#include "base/error.hpp"
#include "pipeline/text/clean_text.hpp"
#include "tests/pipeline/text/small_sentencepiece.hpp"
#include "tests/pipeline/text/small_tokenizer.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

using test::Ids;
using test::SmallSentencePiece;
namespace proto = test::proto;

const Path tiny = WF_TEST_DATA "/golden/tiny/google/umt5-xxl";
const Path shapes = WF_TEST_DATA "/../../models/shapes/google/umt5-xxl";

Tokenizer tokenizer_of(const SmallSentencePiece& model) {
  return Tokenizer::from_sentencepiece(model.bytes(), "spiece.model");
}

std::vector<std::string> texts_of(const Path& json, const char* key) {
  std::ifstream file(json);
  std::vector<std::string> texts;
  for (const auto& one : nlohmann::json::parse(file)) texts.push_back(one[key]);
  return texts;
}

/// Texts of all that a tokenizer treats in its own way: pieces and parts of them, special tokens also in other forms,
/// white space of all kinds, control characters, characters of many scripts, whole and composed, and any bytes.
class AnyText {
 public:
  explicit AnyText(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  std::string operator()() {
    std::string text;
    for (std::size_t parts = below(12); parts-- > 0;) text += part();
    return text;
  }

 private:
  std::size_t below(std::size_t limit) { return random_() % limit; }

  std::string part() {
    static const std::vector<std::string> special{
        "</s>",           "<s>",    "<pad>", "<unk>", "<extra_id_0>", "<extra_id_299>", "<extra_id_300>", "<extra_id_",
        "＜extra_id_1＞", "<0xE7>", "▁",     "▁▁"};
    static const std::vector<std::string> space{" ",      "  ",     "\t",     "\n",     "\r\n",   "\u00a0", "\u200b",
                                                "\u3000", "\u2028", "\u202f", "\u200d", "\u0001", "\u0085", "\ufeff"};
    static const std::vector<std::string> word{"ﬁ",  "e\u0301",  "ｶﾞ", "①",        "½", "ǅ",
                                               "한", "👩\u200d🚀", "İ",  "カ\u3099", "ß"};
    switch (below(6)) {
      case 0:
        return special[below(special.size())];
      case 1:
        return space[below(space.size())];
      case 2:
        return word[below(word.size())];
      case 3:
        return std::string(1, static_cast<char>(below(256)));
      case 4:
        return character(below(4) == 0 ? 0x20000 : 0x3400);
      default:
        return tokenizer_.piece(
            static_cast<std::int64_t>(below(static_cast<std::size_t>(tokenizer_.vocabulary_size()))));
    }
  }

  std::string character(std::size_t limit) {
    const auto c = static_cast<unsigned>(below(limit));
    const auto bits = [&](unsigned shift) { return static_cast<char>(0x80 | (c >> shift & 0x3F)); };
    if (c < 0x80) return {static_cast<char>(c)};
    if (c < 0x800) return {static_cast<char>(0xC0 | c >> 6), bits(0)};
    if (c < 0x10000) return {static_cast<char>(0xE0 | c >> 12), bits(6), bits(0)};
    return {static_cast<char>(0xF0 | c >> 18), bits(12), bits(6), bits(0)};
  }

  const Tokenizer& tokenizer_;
  std::mt19937_64 random_{1};
};

TEST(SentencePiece, GivesTheIdsOfTheTokenizerJsonBesideIt) {
  const Tokenizer json(tiny / "tokenizer.json"), spiece(tiny / "spiece.model");
  ASSERT_EQ(spiece.vocabulary_size(), json.vocabulary_size());
  for (std::int64_t id = 0; id < json.vocabulary_size(); ++id) EXPECT_EQ(spiece.piece(id), json.piece(id));
  for (const char* key : {"text", "cleaned"})
    for (const std::string& text : texts_of(WF_TEST_DATA "/golden/tokens.json", key))
      EXPECT_EQ(spiece.encode(text), json.encode(text)) << text;
}

TEST(SentencePiece, GivesTheIdsOfTheTokenizerJsonForAnyText) {
  const Tokenizer json(tiny / "tokenizer.json"), spiece(tiny / "spiece.model");
  AnyText any_text(json);
  int unknown = 0, added = 0;
  for (int i = 0; i < 10000; ++i) {
    const std::string text = any_text();
    const std::size_t length = i % 8 == 0 ? 5 : 512;
    const Ids ids = json.encode(text, length);
    ASSERT_EQ(spiece.encode(text, length), ids) << i << ": " << text;
    unknown += std::ranges::count(ids, 3) > 0;
    added += std::ranges::count_if(ids, [](auto id) { return id >= 700; }) > 0;
  }
  EXPECT_GT(unknown, 1000) << "the texts have to contain unknown characters";
  EXPECT_GT(added, 1000) << "the texts have to contain extra ids";
}

// The tokenizer.json of models/shapes was made with byte_fallback, unlike that of umT5, and merges spaces.
TEST(SentencePiece, DiffersFromATokenizerJsonWithByteFallbackOnlyInUnknownCharacters) {
  const Tokenizer json(shapes / "tokenizer.json"), spiece(shapes / "spiece.model");
  const auto with_unknown = [](const Ids& ids) {
    Ids result;
    for (const std::int64_t id : ids) {
      const bool is_byte = id >= 4 && id < 260;
      if (!is_byte || result.empty() || result.back() != 3) result.push_back(is_byte ? 3 : id);
    }
    return result;
  };
  for (const std::string& text : texts_of(WF_TEST_DATA "/../shapes_check/tokens.json", "text"))
    EXPECT_EQ(spiece.encode(clean_text(text)), with_unknown(json.encode(clean_text(text)))) << text;
}

TEST(SentencePiece, GivesTheIdsOfTheSameSmallTokenizerJson) {
  const Tokenizer json = test::tokenizer_of(test::small_tokenizer()), spiece = tokenizer_of({});
  for (const char* text : {"", " ", "cat", "aab", "猫犬 xyz", "a猫b犬", "a</s>a </s> b", "cat  cat ", "a\xff\xf0\x9f"})
    EXPECT_EQ(spiece.encode(text), json.encode(text)) << text;
  EXPECT_EQ(spiece.encode("cat cat a", 3), (Ids{9, 9, 1}));
}

TEST(SentencePiece, AFileIsToldFromATokenizerJsonByItsContent) {
  const test::TempFolder temp;
  const Path folder = temp.path();
  write_file(folder / "tokenizer.json", SmallSentencePiece().bytes());
  write_file(folder / "spiece.model", "\n\n" + test::small_tokenizer().dump());
  EXPECT_EQ(Tokenizer(folder / "tokenizer.json").vocabulary_size(), 310);
  EXPECT_EQ(Tokenizer(folder / "spiece.model").vocabulary_size(), 10);
}

TEST(SentencePiece, FieldsMayComeInAnyOrderAndUnknownOnesAreSkipped) {
  SmallSentencePiece model;
  model.pieces[4] = proto::bytes(1, proto::real(2, -3) + proto::integer(99, 7) + proto::bytes(1, "a"));
  model.trainer_spec = proto::real(10, 1) + proto::bytes(1, "corpus.txt") + model.trainer_spec + proto::integer(35, 1);
  std::string pieces;
  for (const std::string& one : model.pieces) pieces += one;
  const std::string bytes = proto::bytes(3, model.normalizer_spec) + proto::bytes(2, model.trainer_spec) +
                            proto::bytes(5, "denormalizer") + proto::key(77, 1) + "8 bytes." + pieces;
  EXPECT_EQ(Tokenizer::from_sentencepiece(bytes, "spiece.model").encode("aab猫"), (Ids{7, 6, 2, 1}));
}

TEST(SentencePiece, WithoutADummyPrefixNoSpaceIsPutInFront) {
  SmallSentencePiece model;
  model.normalizer_spec = proto::integer(3, 0);
  EXPECT_EQ(tokenizer_of(model).encode("a cat"), (Ids{4, 9, 1}));
}

TEST(SentencePiece, TheCharsmapRewritesTheText) {
  const auto unit = [](std::uint32_t value) {
    std::string bytes;
    for (int i = 0; i < 4; ++i) bytes += static_cast<char>(value >> (8 * i));
    return bytes;
  };
  std::string trie;  // 'x' at unit 1 ^ 'x', its value at the next offset: "c"
  for (std::uint32_t i = 0; i < 128; ++i) trie += unit(i == 0 ? 1 << 10 : i == (1 ^ 'x') ? 'x' | 0x100 | 1 << 10 : 0);
  SmallSentencePiece model;
  model.normalizer_spec = proto::bytes(2, unit(512) + trie + std::string("c\0", 2));
  EXPECT_EQ(tokenizer_of(model).encode("axa"), (Ids{7, 8, 4, 1}));
}

TEST(SentencePiece, ExtraIdsAreAddedBehindThePiecesUnlessTheFileHasItsOwn) {
  SmallSentencePiece model;
  EXPECT_EQ(tokenizer_of(model).vocabulary_size(), 310);
  EXPECT_EQ(tokenizer_of(model).encode("a<extra_id_299>a<extra_id_0>"), (Ids{7, 10, 7, 309, 1}));
  model.pieces.push_back(test::piece("<extra_id_0>", 0, test::user_defined));
  EXPECT_EQ(tokenizer_of(model).vocabulary_size(), 11);
  EXPECT_EQ(tokenizer_of(model).encode("a<extra_id_0>a"), (Ids{7, 10, 7, 1}));
}

}  // namespace
}  // namespace wf
