// launcher/status/text.hpp: short texts for a terminal: times of day, names that fit, colours.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace wf {

/// Where a text is shown.
struct Display {
  std::size_t columns = 80;
  std::size_t rows = 0;  ///< 0: as many as the text has.
  bool colours = false;
};
/// That of stdout: colours if it is a terminal and NO_COLOR is not set; rows only of a terminal.
Display display_of_stdout();

/// A Unix time as local time: "14:03:22".
std::string clock_time(double time);
/// "Sun 29 Nov 2026".
std::string date(double time);
/// "14:03:22" today, else "29 Nov 14:03:22".
std::string time_text(double time, double now);

/// The text on one line, printable, in at most that many columns; where it is too long it ends in "...".
std::string fitted(std::string_view text, std::size_t columns);
/// The number of columns that a printable text takes.
std::size_t columns_of(std::string_view text);
/// That of the longest of its lines.
std::size_t columns_of_longest(std::string_view lines);
/// The text on lines of at most that many columns, broken between words, each after `indent` spaces; without the spaces
/// of the first line and the last newline.
std::string wrapped(std::string_view text, std::size_t columns, std::size_t indent);

enum class Colour { none, red, yellow, green, cyan, bold };
std::string coloured(std::string text, Colour colour, const Display& display);

}  // namespace wf
