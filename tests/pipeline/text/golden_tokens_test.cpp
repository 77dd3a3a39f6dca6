// tests/pipeline/text/golden_tokens_test.cpp: cleaned texts and ids equal those of the official implementation.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "pipeline/text/clean_text.hpp"
#include "pipeline/text/tokenizer.hpp"

namespace wf {
namespace {

nlohmann::json golden_tokens() {
  std::ifstream file(WF_TEST_DATA "/golden/tokens.json");
  return nlohmann::json::parse(file);
}

const Path tiny = WF_TEST_DATA "/golden/tiny/google/umt5-xxl/tokenizer.json";

TEST(GoldenTokens, EveryTextIsCleanedAsTheOfficialCodeDoes) {
  const auto cases = golden_tokens();
  ASSERT_EQ(cases.size(), 28u);
  for (const auto& golden : cases)
    EXPECT_EQ(clean_text(golden["text"].get<std::string>()), golden["cleaned"].get<std::string>());
}

TEST(GoldenTokens, EveryCleanedTextGivesTheOfficialIds) {
  const Tokenizer tokenizer(tiny);
  for (const auto& golden : golden_tokens()) {
    EXPECT_EQ(nlohmann::json(tokenizer.encode(golden["cleaned"].get<std::string>())), golden["ids"]) << golden["text"];
  }
}

TEST(GoldenTokens, TheTinyVocabularyEndsWithTheExtraIds) {
  const Tokenizer tokenizer(tiny);
  EXPECT_EQ(tokenizer.vocabulary_size(), 1000);
  EXPECT_EQ(tokenizer.piece(1), "</s>");
  EXPECT_EQ(tokenizer.piece(999), "<extra_id_0>");
}

}  // namespace
}  // namespace wf
