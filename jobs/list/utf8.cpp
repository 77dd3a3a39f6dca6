#include "jobs/list/utf8.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace wf {
namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd";

char32_t decode(std::string_view text, std::size_t size) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  if (size == 1) return byte(0);
  char32_t code = byte(0) & (0x7F >> size);
  for (std::size_t i = 1; i < size; ++i) code = code << 6 | (byte(i) & 0x3F);
  return code;
}

/// Whether terminals draw the character two columns wide: the blocks of East Asian Wide and Fullwidth, simplified.
bool is_wide(char32_t code) noexcept {
  struct Range {
    char32_t first, last;
  };
  constexpr std::array ranges{Range{0x1100, 0x115F}, Range{0x2E80, 0xA4CF},   Range{0xAC00, 0xD7A3},
                              Range{0xF900, 0xFAFF}, Range{0xFE30, 0xFE6F},   Range{0xFF00, 0xFF60},
                              Range{0xFFE0, 0xFFE6}, Range{0x1F300, 0x1FAFF}, Range{0x20000, 0x3FFFD}};
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](Range range) { return range.first <= code && code <= range.last; });
}

}  // namespace

std::size_t utf8_size(std::string_view text) noexcept {
  const auto first = static_cast<std::uint8_t>(text[0]);
  if (first < 0x80) return 1;
  const std::size_t size = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
  if (size == 0 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i)
    if ((static_cast<std::uint8_t>(text[i]) & 0xC0) != 0x80) return 0;
  const char32_t code = decode(text, size);
  const bool overlong = (size == 3 && code < 0x800) || (size == 4 && code < 0x10000);
  const bool surrogate = 0xD800 <= code && code <= 0xDFFF;
  return overlong || surrogate || code > 0x10FFFF ? 0 : size;
}

bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    const std::size_t size = utf8_size(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

std::string as_utf8(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const std::size_t size = utf8_size(text);
    result += size == 0 ? replacement : text.substr(0, size);
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return result;
}

std::size_t utf8_length(std::string_view text) noexcept {
  std::size_t length = 0;
  for (; !text.empty(); ++length) text.remove_prefix(std::max<std::size_t>(utf8_size(text), 1));
  return length;
}

Printable first_printable(std::string_view text) {
  const std::size_t size = utf8_size(text);
  if (size == 0) return {std::string(replacement), 1, 1};
  const char32_t code = decode(text, size);
  const bool control = code < 0x20 || (0x7F <= code && code < 0xA0);
  if (control && code != '\t') return {std::string(replacement), size, 1};
  return {std::string(text.substr(0, size)), size, is_wide(code) ? std::size_t{2} : std::size_t{1}};
}

std::string in_quotes(std::string_view text, std::size_t max_characters) {
  std::string shown = "'";
  for (std::size_t count = 0; !text.empty(); ++count) {
    if (count == max_characters) return shown + "...'";
    const Printable next = first_printable(text);
    shown += text[0] == '\n' || text[0] == '\t' ? " " : next.text;
    text.remove_prefix(next.bytes);
  }
  return shown + "'";
}

}  // namespace wf
