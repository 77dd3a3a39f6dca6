// pipeline/text/unicode.cpp: UTF-8 decoding, and a thin layer over utf8proc.
#include "pipeline/text/unicode.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>

#include "base/error.hpp"

namespace wf {
namespace {

struct Free {
  void operator()(void* memory) const noexcept { std::free(memory); }
};

unsigned char byte_at(std::string_view text, std::size_t i) { return static_cast<unsigned char>(text[i]); }

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

struct Lead {
  std::size_t length;             // bytes of the sequence; 0 if no sequence starts with this byte
  unsigned char lowest, highest;  // range of the second byte, which excludes overlong forms, surrogates and > U+10FFFF
};

Lead lead(unsigned char first) {
  if (first < 0x80) return {1, 0, 0};
  if (first >= 0xC2 && first <= 0xDF) return {2, 0x80, 0xBF};
  if (first == 0xE0) return {3, 0xA0, 0xBF};
  if (first == 0xED) return {3, 0x80, 0x9F};
  if (first >= 0xE1 && first <= 0xEF) return {3, 0x80, 0xBF};
  if (first == 0xF0) return {4, 0x90, 0xBF};
  if (first >= 0xF1 && first <= 0xF3) return {4, 0x80, 0xBF};
  if (first == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

// The number of bytes at `at` that belong together, and whether they are a complete sequence.
std::pair<std::size_t, bool> sequence(std::string_view bytes, std::size_t at) {
  const Lead expected = lead(byte_at(bytes, at));
  if (expected.length == 0) return {1, false};
  for (std::size_t i = 1; i < expected.length; ++i) {
    const unsigned char lowest = i == 1 ? expected.lowest : 0x80, highest = i == 1 ? expected.highest : 0xBF;
    if (at + i >= bytes.size() || byte_at(bytes, at + i) < lowest || byte_at(bytes, at + i) > highest)
      return {i, false};
  }
  return {expected.length, true};
}

utf8proc_option_t options(NormalForm form) {
  const int compatible = form == NormalForm::nfkc || form == NormalForm::nfkd ? UTF8PROC_COMPAT : 0;
  const int direction = form == NormalForm::nfc || form == NormalForm::nfkc ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE;
  return static_cast<utf8proc_option_t>(UTF8PROC_STABLE | compatible | direction);
}

utf8proc_category_t category(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

// The characters of category So that Unicode counts as alphabetic: circled, squared and negative letters.
bool is_enclosed_letter(char32_t c) {
  return (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) ||
         (c >= 0x1F170 && c <= 0x1F189);
}

}  // namespace

std::string valid_utf8(std::string_view bytes) {
  std::string valid;
  valid.reserve(bytes.size());
  for (std::size_t at = 0; at < bytes.size();) {
    const auto [length, whole] = sequence(bytes, at);
    valid += whole ? bytes.substr(at, length) : std::string_view("\xEF\xBF\xBD");
    at += length;
  }
  return valid;
}

char32_t next_code_point(std::string_view text, std::size_t& position) {
  const unsigned char first = byte_at(text, position++);
  if (first < 0x80) return first;
  const int more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
  char32_t code_point = first & (0x3F >> more);
  for (int i = 0; i < more && position < text.size(); ++i) {
    code_point = code_point << 6 | (byte_at(text, position++) & 0x3F);
  }
  return code_point;
}

void append_utf8(std::string& text, char32_t code_point) {
  std::array<utf8proc_uint8_t, 4> bytes;
  const auto length = utf8proc_encode_char(static_cast<utf8proc_int32_t>(code_point), bytes.data());
  text.append(bytes.begin(), bytes.begin() + length);
}

std::u32string to_code_points(std::string_view text) {
  std::u32string code_points;
  code_points.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) code_points += next_code_point(text, at);
  return code_points;
}

std::string to_utf8(std::u32string_view code_points) {
  std::string text;
  text.reserve(code_points.size());
  for (const char32_t c : code_points) append_utf8(text, c);
  return text;
}

void append_limited(std::string& text, std::string_view more) {
  constexpr std::size_t limit = 1 << 20;
  if (text.size() + more.size() > limit) {
    throw Error(Error::environment, "the tokenizer's normalizer makes this text longer than 1 MiB; shorten the text");
  }
  text += more;
}

std::string normalize(std::string_view text, NormalForm form) {
  if (is_ascii(text)) return std::string(text);
  utf8proc_uint8_t* result = nullptr;
  const auto length = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                   static_cast<utf8proc_ssize_t>(text.size()), &result, options(form));
  const std::unique_ptr<utf8proc_uint8_t, Free> owner(result);
  if (length < 0) throw Error(Error::resource, std::string("normalizing a text: ") + utf8proc_errmsg(length));
  return std::string(result, result + length);
}

std::vector<std::string_view> graphemes(std::string_view text) {
  std::vector<std::string_view> clusters;
  utf8proc_int32_t state = 0;
  char32_t previous = 0;
  std::size_t start = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t here = at;
    const char32_t c = next_code_point(text, at);
    if (here > 0 && utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(previous),
                                                     static_cast<utf8proc_int32_t>(c), &state)) {
      clusters.push_back(text.substr(start, here - start));
      start = here;
    }
    previous = c;
  }
  if (start < text.size()) clusters.push_back(text.substr(start));
  return clusters;
}

bool is_white_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_digit(char32_t c) { return category(c) == UTF8PROC_CATEGORY_ND; }

bool is_mark(char32_t c) {
  const auto kind = category(c);
  return kind == UTF8PROC_CATEGORY_MN || kind == UTF8PROC_CATEGORY_MC || kind == UTF8PROC_CATEGORY_ME;
}

bool is_nonspacing_mark(char32_t c) { return category(c) == UTF8PROC_CATEGORY_MN; }

bool is_word(char32_t c) {
  const auto kind = category(c);
  const bool letter = kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO;
  const bool number = kind == UTF8PROC_CATEGORY_ND || kind == UTF8PROC_CATEGORY_NL;
  const bool joiner = kind == UTF8PROC_CATEGORY_PC || c == 0x200C || c == 0x200D;
  return letter || number || joiner || is_mark(c) || is_enclosed_letter(c);
}

bool is_control(char32_t c) { return category(c) >= UTF8PROC_CATEGORY_CC; }

char32_t c1_as_windows_1252(char32_t c) {
  constexpr std::u32string_view characters =
      U"\u20AC\x81\u201A\u0192\u201E\u2026\u2020\u2021\u02C6\u2030\u0160\u2039\u0152\x8D\u017D\x8F"
      U"\x90\u2018\u2019\u201C\u201D\u2022\u2013\u2014\u02DC\u2122\u0161\u203A\u0153\x9D\u017E\u0178";
  return c >= 0x80 && c <= 0x9F ? characters[c - 0x80] : c;
}

void append_lowercase(std::u32string& text, char32_t c) {
  if (c == 0x130) {  // I with dot: the only letter whose lower case is two characters
    text += U"i\u0307";
    return;
  }
  text += static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
}

void append_uppercase(std::u32string& text, char32_t c) {
  switch (c) {
    case 0xDF:
      text += U"SS";
      return;
    case 0x149:
      text += U"\u02BCN";
      return;
    case 0xFB00:
      text += U"FF";
      return;
    case 0xFB01:
      text += U"FI";
      return;
    case 0xFB02:
      text += U"FL";
      return;
    case 0xFB03:
      text += U"FFI";
      return;
    case 0xFB04:
      text += U"FFL";
      return;
    default:
      text += static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c)));
  }
}

}  // namespace wf
