#include "launcher/status/redraw.hpp"

#include <iostream>
#include <sstream>

#include "launcher/status/text.hpp"

namespace wf {
namespace {

/// The rows of a terminal that the text takes. Only commands to be copied may be longer than a row, and have no
/// colours.
std::size_t rows_of(const std::string& text, std::size_t columns) {
  std::istringstream lines(text);
  std::size_t rows = 0;
  for (std::string line; std::getline(lines, line);) {
    const bool has_colours = line.find('\033') != std::string::npos;
    rows += has_colours || line.empty() ? 1 : (columns_of(line) + columns - 1) / columns;
  }
  return rows;
}

}  // namespace

void Redraw::show(const std::string& text, const std::string& gist) {
  const Display display = display_of_stdout();
  if (display.rows > 0) {
    if (rows_ > 0) std::cout << "\033[" << rows_ << "A\r";
    std::cout << "\033[J" << text << std::flush;
    rows_ = rows_of(text, display.columns);
  } else if (gist != gist_) {
    std::cout << (gist_.empty() ? "" : "\n") << text << std::flush;
    gist_ = gist;
  }
}

}  // namespace wf
