// pipeline/text/charsmap.cpp: lookup in the Darts double array, whose units SentencePiece packs.
#include "pipeline/text/charsmap.hpp"

#include <cstddef>

#include "base/error.hpp"
#include "pipeline/text/unicode.hpp"

namespace wf {
namespace {

int base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

std::uint32_t little_endian(std::string_view bytes, std::size_t at) {
  std::uint32_t number = 0;
  for (std::size_t i = 4; i-- > 0;) number = number << 8 | static_cast<unsigned char>(bytes[at + i]);
  return number;
}

// A unit of the double array: 8 bits of label, 1 bit "has a value", then the offset to the children; or a leaf's value.
bool has_value(std::uint32_t unit) { return (unit >> 8 & 1) != 0; }
std::uint32_t value(std::uint32_t unit) { return unit & 0x7FFFFFFF; }
std::uint32_t label(std::uint32_t unit) { return unit & 0x800000FF; }
std::size_t offset(std::uint32_t unit) { return static_cast<std::size_t>(unit >> 10) << ((unit & 0x200) >> 6); }

bool continues_a_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

}  // namespace

std::optional<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && !text.empty() && text.back() == '=') {
    text.remove_suffix(1);
    ++padding;
  }
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int digit = base64_digit(text[i]);
    if (digit < 0) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    if (i % 4 != 0) bytes += static_cast<char>(bits >> (6 - 2 * (i % 4)) & 0xFF);
  }
  return bytes;
}

Charsmap::Charsmap(std::string_view bytes) {
  const std::size_t trie_bytes = bytes.size() < 4 ? 0 : little_endian(bytes, 0);
  if (trie_bytes < 4 || trie_bytes > bytes.size() - 4) {
    throw Error(Error::environment,
                "the trie of the charsmap does not fit into its " + std::to_string(bytes.size()) + " bytes");
  }
  trie_.resize(trie_bytes / 4);
  for (std::size_t i = 0; i < trie_.size(); ++i) trie_[i] = little_endian(bytes, 4 + 4 * i);
  replacements_ = bytes.substr(4 + 4 * trie_.size());
  if (valid_utf8(replacements_) != replacements_) {
    throw Error(Error::environment, "the replacements of the charsmap are not UTF-8");
  }
}

std::optional<std::string_view> Charsmap::replacement(std::string_view part) const {
  std::size_t node = offset(trie_[0]);
  for (const char c : part) {
    const auto byte = static_cast<unsigned char>(c);
    node ^= byte;
    if (byte == 0 || node >= trie_.size() || label(trie_[node]) != byte) return std::nullopt;
    const std::uint32_t unit = trie_[node];
    node ^= offset(unit);
    if (!has_value(unit)) continue;
    const std::size_t start = node < trie_.size() ? value(trie_[node]) : replacements_.size() + 1;
    if (start > replacements_.size() || continues_a_character(replacements_[start])) return std::nullopt;
    const std::string_view rest = std::string_view(replacements_).substr(start);
    return rest.substr(0, rest.find('\0'));
  }
  return std::nullopt;
}

std::string Charsmap::apply(std::string_view text) const {
  constexpr std::size_t too_long = 6;
  std::string result;
  result.reserve(text.size());
  for (const std::string_view grapheme : graphemes(text)) {
    if (const auto whole = grapheme.size() < too_long ? replacement(grapheme) : std::nullopt) {
      append_limited(result, *whole);
      continue;
    }
    for (std::size_t at = 0; at < grapheme.size();) {
      const std::size_t start = at;
      next_code_point(grapheme, at);
      const std::string_view character = grapheme.substr(start, at - start);
      append_limited(result, replacement(character).value_or(character));
    }
  }
  return result;
}

}  // namespace wf
