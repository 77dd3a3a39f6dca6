// jobs/list/utf8.hpp: UTF-8 as a sequence of characters (code points), in which users count columns and lengths.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace wf {

/// The size in bytes of the first character of a non-empty text: 1 to 4, or 0 when it is not UTF-8. Overlong forms and
/// surrogates are not UTF-8.
std::size_t utf8_size(std::string_view text) noexcept;

/// Whether the whole text is UTF-8.
bool is_utf8(std::string_view text) noexcept;

/// The text with U+FFFD in place of every byte that is not UTF-8.
std::string as_utf8(std::string_view text);

/// The number of characters. A byte that is not UTF-8 counts as one.
std::size_t utf8_length(std::string_view text) noexcept;

/// A character as it may be shown. Control characters other than a tab, and bytes that are not UTF-8, are replaced by
/// U+FFFD, so that a hostile file cannot send escape sequences to a terminal.
struct Printable {
  std::string text;
  std::size_t bytes;    ///< Size of the original in the source text.
  std::size_t columns;  ///< Width on a terminal: 2 for CJK, kana, Hangul, full-width forms and emoji, otherwise 1.
};
/// The first character of a non-empty text.
Printable first_printable(std::string_view text);

/// The first `max_characters` of a user's value, printable, on one line and in single quotes, for messages.
std::string in_quotes(std::string_view text, std::size_t max_characters = 40);

}  // namespace wf
