// tests/pipeline/text/broken_sentencepiece_test.cpp: every defect of a spiece.model is refused with a message that
// names file and message.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "base/error.hpp"
#include "pipeline/text/tokenizer.hpp"
#include "tests/pipeline/text/small_sentencepiece.hpp"

namespace wf {
namespace {

using test::piece;
using test::SmallSentencePiece;
namespace proto = test::proto;

void expect_error(const std::string& bytes, const std::string& expected) {
  try {
    Tokenizer::from_sentencepiece(bytes, "spiece.model");
    ADD_FAILURE() << "accepted; expected: " << expected;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::environment);
    EXPECT_EQ(std::string(error.what()).rfind("spiece.model: ", 0), 0u) << error.what();
    EXPECT_NE(std::string(error.what()).find(expected), std::string::npos)
        << error.what() << "\nexpected: " << expected;
  }
}

void expect_error(const std::function<void(SmallSentencePiece&)>& break_it, const std::string& expected) {
  SmallSentencePiece model;
  break_it(model);
  expect_error(model.bytes(), expected);
}

TEST(BrokenSentencePiece, EveryTruncatedFileIsAnError) {
  const std::string whole = SmallSentencePiece().bytes();
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_THROW(Tokenizer::from_sentencepiece(whole.substr(0, size), "spiece.model"), Error) << size;
}

TEST(BrokenSentencePiece, FilesAreRefusedWithTheReason) {
  const std::string whole = SmallSentencePiece().bytes();
  expect_error(std::string(), "has no pieces, no trainer_spec or no normalizer_spec");
  expect_error(std::string("\n<html>"), "ends in the middle of a field");
  expect_error(whole + proto::bytes(2, ""), "trainer_spec is there twice");
  expect_error(whole + proto::bytes(3, ""), "normalizer_spec is there twice");
  expect_error(std::string((32 << 20) + 1, '\n'), "has 33554433 bytes");
}

TEST(BrokenSentencePiece, FieldsAreRefusedWithTheReason) {
  const std::string whole = SmallSentencePiece().bytes();
  expect_error(whole + proto::key(9, 2) + proto::varint(1), "ends in the middle of a field");
  expect_error(whole + proto::key(9, 2) + proto::varint(~std::uint64_t{0}), "ends in the middle of a field");
  expect_error(whole + proto::key(9, 0) + "\x80", "ends in the middle of a field");
  expect_error(whole + proto::key(9, 0) + std::string(9, '\xff') + '\x02', "a number of more than 64 bits");
  expect_error(whole + proto::key(9, 0) + std::string(11, '\x80'), "a number of more than 64 bits");
  expect_error(whole + proto::key(9, 3), "the unknown wire type 3");
  expect_error(whole + proto::key(0, 0) + '\1', "the impossible number 0");
  expect_error(whole + proto::varint(std::uint64_t{1} << 32), "the impossible number 536870912");
}

TEST(BrokenSentencePiece, PiecesAreRefusedWithTheReason) {
  const auto expect = [](const std::string& broken, const std::string& expected) {
    expect_error([&](SmallSentencePiece& model) { model.pieces[3] = broken; }, expected);
  };
  expect(piece("", -2), "pieces[3]: piece is empty");
  expect(piece("\xff", -2), "pieces[3]: piece is not UTF-8");
  expect(piece("▁", std::nanf("")), "pieces[3]: score is not finite");
  expect(piece("▁", -INFINITY), "pieces[3]: score is not finite");
  expect(piece("▁", -2, 7), "pieces[3]: type 7 is unknown");
  expect(piece("▁", -2, -1), "pieces[3]: type -1 is unknown");
  expect(piece("ab", -2), "the piece \"ab\" is there twice, as 3 and as 6");
  expect(piece("▁", -2, test::unknown), "has 2 pieces of the type UNKNOWN instead of 1");
  expect(proto::integer(1, 3), "pieces[3]: it must be a string or a message");
  expect(proto::bytes(1, proto::integer(1, 3)), "pieces[3]: piece must be a string or a message");
  expect(proto::bytes(1, proto::bytes(1, "▁") + proto::integer(2, 3)), "pieces[3]: score must be a float");
  expect(proto::bytes(1, proto::bytes(1, "▁") + proto::integer(3, std::int64_t{1} << 32)),
         "pieces[3]: type must be an integer of 32 bits");
}

TEST(BrokenSentencePiece, TrainerSpecsAreRefusedWithTheReason) {
  const auto expect = [](const std::string& field, const std::string& expected) {
    expect_error([&](SmallSentencePiece& model) { model.trainer_spec += field; }, expected);
  };
  expect(proto::integer(3, 2), "trainer_spec: model_type must be Unigram (1), not BPE");
  expect(proto::integer(3, 9), "trainer_spec: model_type must be Unigram (1), not 9");
  expect(proto::integer(24, 1), "trainer_spec: treat_whitespace_as_suffix is not supported");
  expect(proto::integer(24, 2), "trainer_spec: treat_whitespace_as_suffix must be true or false");
  expect(proto::integer(40, 3), "trainer_spec: unk_id is 3, but the piece of the type UNKNOWN is 2");
  expect(proto::integer(41, 10), "trainer_spec: bos_id 10 is not one of the 10 pieces");
  expect(proto::integer(42, -2), "trainer_spec: eos_id -2 is not one of the 10 pieces");
  expect(proto::integer(42, -1), "trainer_spec: eos_id is -1, but every text needs an end");
  expect(proto::integer(43, 2147483647), "trainer_spec: pad_id 2147483647 is not one of the 10 pieces");
  expect_error([](SmallSentencePiece& model) { model.pieces[2] = piece("<unk>", 0); },
               "has 0 pieces of the type UNKNOWN instead of 1");
}

TEST(BrokenSentencePiece, NormalizerSpecsAreRefusedWithTheReason) {
  const auto expect = [](const std::string& field, const std::string& expected) {
    expect_error([&](SmallSentencePiece& model) { model.normalizer_spec += field; }, expected);
  };
  expect(proto::bytes(2, "\xff\xff\xff\x7f"), "the trie of the charsmap does not fit into its 4 bytes");
  expect(proto::integer(5, 0), "normalizer_spec: escape_whitespaces false is not supported");
  expect(proto::bytes(3, ""), "normalizer_spec: add_dummy_prefix must be true or false");
}

}  // namespace
}  // namespace wf
