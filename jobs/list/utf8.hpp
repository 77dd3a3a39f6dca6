// jobs/utf8.hpp: UTF-8 as sequences of characters (code points): what users count columns and lengths in.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace wf {

/// The bytes of the first character of a text that is not empty: 1 to 4, or 0 when it is not UTF-8 (overlong forms and
/// surrogates are not).
std::size_t utf8_size(std::string_view text) noexcept;

/// The number of characters; each byte that is not UTF-8 counts as one.
std::size_t utf8_length(std::string_view text) noexcept;

/// Of the first character of a text that is not empty. A control character or a byte that is not UTF-8 is replaced by
/// U+FFFD, so that a hostile file cannot send escape sequences to a terminal; a tab stays.
struct Printable {
  std::string text;
  std::size_t bytes;    ///< that it takes in the source
  std::size_t columns;  ///< on a terminal: 2 for CJK, kana, Hangul, full-width forms and emoji, otherwise 1
};
Printable first_printable(std::string_view text);

/// The first `most` characters, printable and in one line, in single quotes: how messages show a user's value.
std::string in_quotes(std::string_view text, std::size_t most = 40);

}  // namespace wf
