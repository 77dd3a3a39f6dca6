#include "launcher/status/text.hpp"

#include <spdlog/fmt/fmt.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/clock.hpp"
#include "base/colours.hpp"
#include "jobs/list/utf8.hpp"

namespace wf {
namespace {

/// A line break or a tab would take more than one column, or a line.
Printable next_of(std::string_view text) {
  Printable next = first_printable(text);
  if (text.front() == '\n' || text.front() == '\t' || text.front() == '\r') next = {" ", 1, 1};
  return next;
}

/// The beginning of the text that takes at most that many columns.
std::string beginning(std::string_view text, std::size_t columns) {
  std::string line;
  for (std::size_t used = 0; !text.empty();) {
    const Printable next = next_of(text);
    if ((used += next.columns) > columns) break;
    line += next.text;
    text.remove_prefix(next.bytes);
  }
  return line;
}

}  // namespace

Display display_of_stdout() {
  Display display;
  winsize size{};
  display.colours = ::isatty(STDOUT_FILENO) != 0 && colours_are_welcome();
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
    display.columns = std::max<std::size_t>(size.ws_col, 40);
    display.rows = size.ws_row;
  }
  return display;
}

std::string clock_time(double time) { return local_time(time, "%H:%M:%S"); }
std::string date(double time) { return local_time(time, "%a %e %b %Y"); }

std::string time_text(double time, double now) {
  return date(time) == date(now) ? clock_time(time) : local_time(time, "%e %b %H:%M:%S");
}

std::size_t columns_of(std::string_view text) {
  std::size_t columns = 0;
  while (!text.empty()) {
    const Printable next = next_of(text);
    columns += next.columns;
    text.remove_prefix(next.bytes);
  }
  return columns;
}

std::size_t columns_of_longest(std::string_view lines) {
  std::size_t longest = 0;
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    longest = std::max(longest, columns_of(line));
    lines.remove_prefix(std::min(lines.size(), line.size() + 1));
  }
  return longest;
}

std::string fitted(std::string_view text, std::size_t columns) {
  constexpr std::size_t dots = 3;
  if (columns_of(text) <= columns) return beginning(text, columns);
  return columns <= dots ? beginning(text, columns) : beginning(text, columns - dots) + "...";
}

std::string wrapped(std::string_view text, std::size_t columns, std::size_t indent) {
  std::string all;
  std::size_t used = 0;
  while (!text.empty()) {
    const std::size_t begin = std::min(text.find_first_not_of(" \n\r\t"), text.size());
    text.remove_prefix(begin);
    const std::string_view word = text.substr(0, text.find_first_of(" \n\r\t"));
    if (word.empty()) break;
    const std::size_t width = columns_of(word);
    const bool fits = used == 0 || used + 1 + width <= columns;
    if (!fits) all += "\n" + std::string(indent, ' ');
    if (fits && used > 0) all += ' ';
    used = fits && used > 0 ? used + 1 + width : width;
    all += fitted(word, columns);
    text.remove_prefix(word.size());
  }
  return all;
}

std::string coloured(std::string text, Colour colour, const Display& display) {
  constexpr std::array<const char*, 6> codes{"0", "31", "33", "32", "36", "1"};
  if (!display.colours || colour == Colour::none) return text;
  return fmt::format("\033[{}m{}\033[0m", codes[static_cast<std::size_t>(colour)], text);
}

}  // namespace wf
