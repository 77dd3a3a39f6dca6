// tests/pipeline/text/broken_tokenizer_test.cpp: each way to break a tokenizer.json has its own words, with file and
// place.
#include <gtest/gtest.h>

#include <fstream>
#include <functional>

#include "cluster/error.hpp"
#include "tests/pipeline/text/small_tokenizer.hpp"

namespace wf {
namespace {

using Json = nlohmann::json;

void expect_words(const std::string& json, const std::string& words) {
  try {
    Tokenizer tokenizer(json, "tokenizer.json");
    ADD_FAILURE() << "accepted; expected: " << words;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::environment);
    EXPECT_EQ(std::string(error.what()).rfind("tokenizer.json: ", 0), 0u) << error.what();
    EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what() << "\nexpected: " << words;
  }
}

void expect_words(const std::function<void(Json&)>& break_it, const std::string& words) {
  Json file = small_tokenizer();
  break_it(file);
  expect_words(file.dump(), words);
}

TEST(BrokenTokenizer, Files) {
  expect_words(std::string(), "is not JSON");
  expect_words(std::string("{\"model\": {\n  \"vocab\": [}"), "line 2, column");
  expect_words(std::string("[1, 2]"), "model.vocab is missing");
  expect_words(std::string("{\"model\": {\"vocab\": [[\"\xff\", 0]]}}"), "is not JSON");
  expect_words(std::string(100000, '['), "is nested more than 64 deep");
  expect_words(std::string("{\"model\": {\"vocab\": [], \"vocab\": []}}"), "model.vocab is there twice");
  EXPECT_THROW(Tokenizer(Path("/nonexistent/tokenizer.json")), Error);
}

TEST(BrokenTokenizer, EveryTruncatedFileIsAnError) {
  const std::string whole = small_tokenizer().dump();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THROW(Tokenizer(std::string_view(whole).substr(0, size), "tokenizer.json"), Error) << size;
  }
}

TEST(BrokenTokenizer, Models) {
  expect_words([](Json& f) { f.erase("model"); }, "model.vocab is missing");
  expect_words([](Json& f) { f["model"]["type"] = "BPE"; }, "model.type: must be Unigram, not BPE");
  expect_words([](Json& f) { f["model"].erase("type"); }, "model: has no \"type\"");
  expect_words([](Json& f) { f["model"]["unk_id"] = 10; }, "model.unk_id: 10 is not one of the 10 pieces");
  expect_words([](Json& f) { f["model"]["unk_id"] = -1; }, "model.unk_id: must be a whole number");
  expect_words([](Json& f) { f["model"]["byte_fallback"] = 1; },
               "tokenizer.json: model.byte_fallback: must be true or false, not number");
  expect_words([](Json& f) { f["model"]["vocab"] = Json::object(); }, "model.vocab is missing, or no list");
  expect_words([](Json& f) { f["model"]["vocab"][3] = {"▁", "x"}; }, "model.vocab[3] must be [piece, score]");
  expect_words([](Json& f) { f["model"]["vocab"][3] = {"▁"}; }, "model.vocab[3] must be [piece, score]");
  expect_words([](Json& f) { f["model"]["vocab"][3] = 5; }, "model.vocab must hold [piece, score] and nothing else");
  expect_words(
      [](Json& f) {
        f["model"]["vocab"].push_back({"ab", -1});
      },
      "model.vocab: the piece \"ab\" is there twice, as 6 and as 10");
}

void expect_normalizer_words(const Json& normalizer, const std::string& words) {
  expect_words([&](Json& f) { f["normalizer"] = normalizer; }, words);
}

TEST(BrokenTokenizer, Normalizers) {
  const Json unknown = {{"type", "ByteLevel"}}, strip = {{"type", "Strip"}};
  expect_normalizer_words(unknown, "normalizer: the normalizer \"ByteLevel\" is not supported");
  expect_normalizer_words({{"type", "Sequence"}, {"normalizers", {strip, unknown}}},
                          "normalizer.normalizers[0]: has no");
  expect_normalizer_words({{"type", "Sequence"}, {"normalizers", {{{"type", "NFC"}}, unknown}}},
                          "normalizer.normalizers[1]: the normalizer \"ByteLevel\"");
  expect_normalizer_words("NFC", "normalizer: must be an object, not string");
  expect_normalizer_words(strip, "normalizer: has no \"strip_left\"");
}

TEST(BrokenTokenizer, Charsmaps) {
  const auto charsmap = [](const char* base64) {
    return Json{{"type", "Precompiled"}, {"precompiled_charsmap", base64}};
  };
  expect_normalizer_words(charsmap("AA=A"), "normalizer.precompiled_charsmap: is not base64");
  expect_normalizer_words(charsmap("////fw=="), "the trie of the charsmap does not fit into its 4 bytes");
  expect_normalizer_words(charsmap("BAAAAAAAAAD/"), "the replacements of the charsmap are not UTF-8");
}

TEST(BrokenTokenizer, Replacements) {
  const auto replace = [](const char* kind, const char* pattern) {
    return Json{{"type", "Replace"}, {"pattern", {{kind, pattern}}}, {"content", ""}};
  };
  expect_normalizer_words(replace("Regex", "(a)"), "normalizer.pattern.Regex: the pattern \"(a)\" has a group");
  expect_normalizer_words(replace("String", ""), "normalizer.pattern: must not be empty");
  expect_normalizer_words(replace("Glob", "*"), "normalizer.pattern: has no \"Regex\"");
}

TEST(BrokenTokenizer, PreTokenizers) {
  expect_words([](Json& f) { f["pre_tokenizer"]["type"] = "ByteLevel"; },
               "the pre-tokenizer \"ByteLevel\" is not supported");
  expect_words([](Json& f) { f["pre_tokenizer"]["replacement"] = "__"; },
               "pre_tokenizer.replacement: must be one character");
  expect_words([](Json& f) { f["pre_tokenizer"]["prepend_scheme"] = "often"; }, "must be always, first or never");
}

TEST(BrokenTokenizer, AddedTokens) {
  expect_words([](Json& f) { f["added_tokens"] = {{"x", 1}}; }, "added_tokens: must be an array, not object");
  expect_words([](Json& f) { f["added_tokens"][0]["content"] = ""; },
               "added_tokens[0]: an added token must not be empty");
  expect_words([](Json& f) { f["added_tokens"][0]["lstrip"] = 0; }, "added_tokens[0].lstrip: must be true or false");
  expect_words(
      [](Json& f) {
        f["added_tokens"].push_back(f["added_tokens"][0]);
        f["added_tokens"][1]["lstrip"] = true;
      },
      "added_tokens[1]: \"</s>\" is there twice with different flags");
}

TEST(BrokenTokenizer, PostProcessors) {
  expect_words([](Json& f) { f["post_processor"]["type"] = "RobertaProcessing"; },
               "\"RobertaProcessing\" is not supported");
  expect_words([](Json& f) { f["post_processor"]["special_tokens"].clear(); },
               "post_processor.special_tokens: has no \"</s>\"");
  expect_words([](Json& f) { f["post_processor"]["special_tokens"]["</s>"]["ids"] = {10}; },
               "ids[0]: 10 is not in the vocabulary");
  expect_words([](Json& f) { f["post_processor"]["single"].erase(0); },
               "post_processor.single: must hold the sequence A");
  expect_words([](Json& f) { f["post_processor"]["single"].push_back(f["post_processor"]["single"][0]); },
               "post_processor.single[2]: must not be a second sequence");
  expect_words([](Json& f) { f["truncation"] = {{"direction", "Up"}}; }, "truncation.direction: must be Left or Right");
}

}  // namespace
}  // namespace wf
