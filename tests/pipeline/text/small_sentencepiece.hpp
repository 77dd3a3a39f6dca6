// tests/pipeline/text/small_sentencepiece.hpp: the tokenizer of small_tokenizer.hpp as a spiece.model, written message
// by message, so that tests can break each.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace wf::test {

/// The encoding of protobuf's fields.
namespace proto {

inline std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}
inline std::string key(int field, int wire) {
  return varint(static_cast<std::uint64_t>(field) << 3 | static_cast<std::uint64_t>(wire));
}
inline std::string integer(int field, std::int64_t value) {
  return key(field, 0) + varint(static_cast<std::uint64_t>(value));
}
inline std::string bytes(int field, std::string_view value) {
  return key(field, 2) + varint(value.size()) + std::string(value);
}
inline std::string real(int field, float value) {
  std::string text = key(field, 5);
  for (int i = 0; i < 4; ++i) text += static_cast<char>(std::bit_cast<std::uint32_t>(value) >> (8 * i));
  return text;
}

}  // namespace proto

/// The types of pieces.
enum PieceType { normal = 1, unknown, control, user_defined, unused, byte };

inline std::string piece(std::string_view text, float score, int type = normal) {
  return proto::bytes(
      1, proto::bytes(1, text) + proto::real(2, score) + (type == normal ? std::string() : proto::integer(3, type)));
}

/// The messages of a ModelProto. bytes() is the file.
struct SmallSentencePiece {
  std::vector<std::string> pieces{piece("<pad>", 0, control),
                                  piece("</s>", 0, control),
                                  piece("<unk>", 0, unknown),
                                  piece("▁", -2),
                                  piece("a", -3),
                                  piece("b", -3),
                                  piece("ab", -5),
                                  piece("▁a", -4),
                                  piece("c", -6),
                                  piece("▁cat", -4.5F)};
  /// Unigram; <unk> 2, no <s>, </s> 1, <pad> 0.
  std::string trainer_spec = proto::integer(3, 1) + proto::integer(40, 2) + proto::integer(41, -1) +
                             proto::integer(42, 1) + proto::integer(43, 0);
  std::string normalizer_spec = proto::bytes(1, "identity");

  std::string bytes() const {
    std::string all;
    for (const std::string& one : pieces) all += one;
    return all + proto::bytes(2, trainer_spec) + proto::bytes(3, normalizer_spec);
  }
};

}  // namespace wf::test
