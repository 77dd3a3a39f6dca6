// pipeline/text/unicode.hpp: what cleaning and tokenizing need of Unicode: UTF-8, normal forms, character classes,
// graphemes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace wf {

constexpr char32_t replacement_character = 0xFFFD;

/// The bytes as valid UTF-8: each longest piece of a broken sequence becomes one U+FFFD, as Python and Rust do it.
std::string valid_utf8(std::string_view bytes);

/// The code point that starts at `position`, which moves behind it. The text must be valid UTF-8.
char32_t next_code_point(std::string_view text, std::size_t& position);

void append_utf8(std::string& text, char32_t code_point);
std::u32string to_code_points(std::string_view text);  ///< of valid UTF-8
std::string to_utf8(std::u32string_view code_points);

/// text += more. Throws environment where a rule of a tokenizer file would blow a text up beyond 1 MiB.
void append_limited(std::string& text, std::string_view more);

enum class NormalForm { nfc, nfd, nfkc, nfkd };
/// Of valid UTF-8. Throws resource when out of memory.
std::string normalize(std::string_view text, NormalForm form);

/// Extended grapheme clusters (UAX 29) of valid UTF-8, as views into it.
std::vector<std::string_view> graphemes(std::string_view text);

bool is_white_space(char32_t c);      ///< Unicode's White_Space: \s of Python's regex module and of Rust
bool is_digit(char32_t c);            ///< Nd: \d
bool is_word(char32_t c);             ///< \w: letters, marks, digits, connectors, joiners
bool is_mark(char32_t c);             ///< Mn, Mc, Me
bool is_nonspacing_mark(char32_t c);  ///< Mn
bool is_control(char32_t c);          ///< Cc, Cf, Cs, Co

char32_t c1_as_windows_1252(char32_t c);  ///< U+0080..009F as the character meant; any other c as it is

void append_lowercase(std::u32string& text, char32_t c);  ///< one character by itself: no final sigma
void append_uppercase(std::u32string& text, char32_t c);  ///< with the one-to-many cases of Latin letters

}  // namespace wf
