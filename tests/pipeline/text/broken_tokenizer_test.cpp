// tests/pipeline/text/broken_tokenizer_test.cpp: every defect of a tokenizer.json is refused with a message that names
// file and place.
#include <gtest/gtest.h>

#include <fstream>
#include <functional>

#include "base/error.hpp"
#include "tests/pipeline/text/small_tokenizer.hpp"

namespace wf {
namespace {

using test::small_tokenizer;

using Json = nlohmann::json;

void expect_error(const std::string& json, const std::string& expected) {
  try {
    Tokenizer tokenizer(json, "tokenizer.json");
    ADD_FAILURE() << "accepted; expected: " << expected;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::environment);
    EXPECT_EQ(std::string(error.what()).rfind("tokenizer.json: ", 0), 0u) << error.what();
    EXPECT_NE(std::string(error.what()).find(expected), std::string::npos)
        << error.what() << "\nexpected: " << expected;
  }
}

void expect_error(const std::function<void(Json&)>& break_it, const std::string& expected) {
  Json file = small_tokenizer();
  break_it(file);
  expect_error(file.dump(), expected);
}

TEST(BrokenTokenizer, FilesAreRefusedWithTheReason) {
  expect_error(std::string(), "is not JSON");
  expect_error(std::string("{\"model\": {\n  \"vocab\": [}"), "line 2, column");
  expect_error(std::string("[1, 2]"), "model.vocab is missing");
  expect_error(std::string("{\"model\": {\"vocab\": [[\"\xff\", 0]]}}"), "is not JSON");
  expect_error(std::string(100000, '['), "is nested more than 64 deep");
  expect_error(std::string("{\"model\": {\"vocab\": [], \"vocab\": []}}"), "model.vocab is there twice");
  EXPECT_THROW(Tokenizer(Path("/nonexistent/tokenizer.json")), Error);
}

TEST(BrokenTokenizer, EveryTruncatedFileIsAnError) {
  const std::string whole = small_tokenizer().dump();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THROW(Tokenizer(std::string_view(whole).substr(0, size), "tokenizer.json"), Error) << size;
  }
}

TEST(BrokenTokenizer, ModelsAreRefusedWithTheReason) {
  expect_error([](Json& f) { f.erase("model"); }, "model.vocab is missing");
  expect_error([](Json& f) { f["model"]["type"] = "BPE"; }, "model.type: must be Unigram, not BPE");
  expect_error([](Json& f) { f["model"].erase("type"); }, "model: has no \"type\"");
  expect_error([](Json& f) { f["model"]["unk_id"] = 10; }, "model.unk_id: 10 is not one of the 10 pieces");
  expect_error([](Json& f) { f["model"]["unk_id"] = -1; }, "model.unk_id: must be a whole number");
  expect_error([](Json& f) { f["model"]["byte_fallback"] = 1; },
               "tokenizer.json: model.byte_fallback: must be true or false, not number");
  expect_error([](Json& f) { f["model"]["vocab"] = Json::object(); }, "model.vocab is missing, or no list");
  expect_error([](Json& f) { f["model"]["vocab"][3] = {"▁", "x"}; }, "model.vocab[3] must be [piece, score]");
  expect_error([](Json& f) { f["model"]["vocab"][3] = {"▁"}; }, "model.vocab[3] must be [piece, score]");
  expect_error([](Json& f) { f["model"]["vocab"][3] = 5; }, "model.vocab must hold [piece, score] and nothing else");
  expect_error(
      [](Json& f) {
        f["model"]["vocab"].push_back({"ab", -1});
      },
      "model.vocab: the piece \"ab\" is there twice, as 6 and as 10");
}

void expect_normalizer_error(const Json& normalizer, const std::string& expected) {
  expect_error([&](Json& f) { f["normalizer"] = normalizer; }, expected);
}

TEST(BrokenTokenizer, NormalizersAreRefusedWithTheReason) {
  const Json unknown = {{"type", "ByteLevel"}}, strip = {{"type", "Strip"}};
  expect_normalizer_error(unknown, "normalizer: the normalizer \"ByteLevel\" is not supported");
  expect_normalizer_error({{"type", "Sequence"}, {"normalizers", {strip, unknown}}},
                          "normalizer.normalizers[0]: has no");
  expect_normalizer_error({{"type", "Sequence"}, {"normalizers", {{{"type", "NFC"}}, unknown}}},
                          "normalizer.normalizers[1]: the normalizer \"ByteLevel\"");
  expect_normalizer_error("NFC", "normalizer: must be an object, not string");
  expect_normalizer_error(strip, "normalizer: has no \"strip_left\"");
}

TEST(BrokenTokenizer, CharsmapsAreRefusedWithTheReason) {
  const auto charsmap = [](const char* base64) {
    return Json{{"type", "Precompiled"}, {"precompiled_charsmap", base64}};
  };
  expect_normalizer_error(charsmap("AA=A"), "normalizer.precompiled_charsmap: is not base64");
  expect_normalizer_error(charsmap("////fw=="), "the trie of the charsmap does not fit into its 4 bytes");
  expect_normalizer_error(charsmap("BAAAAAAAAAD/"), "the replacements of the charsmap are not UTF-8");
}

TEST(BrokenTokenizer, ReplacementsAreRefusedWithTheReason) {
  const auto replace = [](const char* kind, const char* pattern) {
    return Json{{"type", "Replace"}, {"pattern", {{kind, pattern}}}, {"content", ""}};
  };
  expect_normalizer_error(replace("Regex", "(a)"), "normalizer.pattern.Regex: the pattern \"(a)\" has a group");
  expect_normalizer_error(replace("String", ""), "normalizer.pattern: must not be empty");
  expect_normalizer_error(replace("Glob", "*"), "normalizer.pattern: has no \"Regex\"");
}

TEST(BrokenTokenizer, PreTokenizersAreRefusedWithTheReason) {
  expect_error([](Json& f) { f["pre_tokenizer"]["type"] = "ByteLevel"; },
               "the pre-tokenizer \"ByteLevel\" is not supported");
  expect_error([](Json& f) { f["pre_tokenizer"]["replacement"] = "__"; },
               "pre_tokenizer.replacement: must be one character");
  expect_error([](Json& f) { f["pre_tokenizer"]["prepend_scheme"] = "often"; }, "must be always, first or never");
}

TEST(BrokenTokenizer, AddedTokensAreRefusedWithTheReason) {
  expect_error([](Json& f) { f["added_tokens"] = {{"x", 1}}; }, "added_tokens: must be an array, not object");
  expect_error([](Json& f) { f["added_tokens"][0]["content"] = ""; },
               "added_tokens[0]: an added token must not be empty");
  expect_error([](Json& f) { f["added_tokens"][0]["lstrip"] = 0; }, "added_tokens[0].lstrip: must be true or false");
  expect_error(
      [](Json& f) {
        f["added_tokens"].push_back(f["added_tokens"][0]);
        f["added_tokens"][1]["lstrip"] = true;
      },
      "added_tokens[1]: \"</s>\" is there twice with different flags");
}

TEST(BrokenTokenizer, PostProcessorsAreRefusedWithTheReason) {
  expect_error([](Json& f) { f["post_processor"]["type"] = "RobertaProcessing"; },
               "\"RobertaProcessing\" is not supported");
  expect_error([](Json& f) { f["post_processor"]["special_tokens"].clear(); },
               "post_processor.special_tokens: has no \"</s>\"");
  expect_error([](Json& f) { f["post_processor"]["special_tokens"]["</s>"]["ids"] = {10}; },
               "ids[0]: 10 is not in the vocabulary");
  expect_error([](Json& f) { f["post_processor"]["single"].erase(0); },
               "post_processor.single: must hold the sequence A");
  expect_error([](Json& f) { f["post_processor"]["single"].push_back(f["post_processor"]["single"][0]); },
               "post_processor.single[2]: must not be a second sequence");
  expect_error([](Json& f) { f["truncation"] = {{"direction", "Up"}}; }, "truncation.direction: must be Left or Right");
}

}  // namespace
}  // namespace wf
