// pipeline/text/unicode.hpp: UTF-8, normal forms, graphemes, character classes and case, by utf8proc.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace wf {

/// The character that stands for invalid input.
constexpr char32_t replacement_character = 0xFFFD;

/// The bytes as valid UTF-8: each maximal part of an ill-formed sequence becomes one U+FFFD, as in Python and Rust.
std::string valid_utf8(std::string_view bytes);

/// Returns the code point that starts at `position` and moves `position` to its end. The text must be valid UTF-8.
char32_t next_code_point(std::string_view text, std::size_t& position);

/// Appends the UTF-8 of a code point.
void append_utf8(std::string& text, char32_t code_point);
/// The code points of valid UTF-8.
std::u32string to_code_points(std::string_view text);
/// The UTF-8 of code points.
std::string to_utf8(std::u32string_view code_points);

/// Appends `more` to `text`. Throws environment when the result exceeds 1 MiB, to which only a hostile tokenizer file
/// expands a prompt.
void append_limited(std::string& text, std::string_view more);

/// The normal forms of Unicode (UAX 15).
enum class NormalForm { nfc, nfd, nfkc, nfkd };
/// The normal form of valid UTF-8. Throws resource when out of memory.
std::string normalize(std::string_view text, NormalForm form);

/// The extended grapheme clusters (UAX 29) of valid UTF-8, as views into it.
std::vector<std::string_view> graphemes(std::string_view text);

bool is_white_space(char32_t c);      ///< White_Space, which is \s in Python's regex module and in Rust.
bool is_digit(char32_t c);            ///< Category Nd, which is \d.
bool is_word(char32_t c);             ///< \w: letters, marks, digits, connectors, joiners.
bool is_mark(char32_t c);             ///< Categories Mn, Mc, Me.
bool is_nonspacing_mark(char32_t c);  ///< Category Mn.
bool is_control(char32_t c);          ///< Categories Cc, Cf, Cs, Co.

/// The Windows-1252 character for U+0080..009F; any other character unchanged.
char32_t c1_as_windows_1252(char32_t c);

/// Appends the lower case of `c` regardless of context, so without the final sigma.
void append_lowercase(std::u32string& text, char32_t c);
/// Appends the upper case of `c`, which for some Latin letters is several characters.
void append_uppercase(std::u32string& text, char32_t c);

}  // namespace wf
