#include "launcher/preview/preview.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "jobs/list/utf8.hpp"
#include "launcher/preview/graphics.hpp"

namespace wf {
namespace {

constexpr int most_frame_columns = 40;

/// The text on one line of at most so many columns, without anything that a terminal would obey.
std::string one_line(std::string_view text, std::size_t columns) {
  std::string line;
  std::size_t used = 0;
  while (!text.empty()) {
    const bool space = text.front() == '\n' || text.front() == '\t' || text.front() == '\r';
    const Printable next = space ? Printable{" ", 1, 1} : first_printable(text);
    if (used + next.columns + 1 > columns) return line + "\u2026";
    line += next.text;
    used += next.columns;
    text.remove_prefix(next.bytes);
  }
  return line;
}

std::vector<Picture> all_scaled(const std::vector<Picture>& frames, PictureSize to) {
  std::vector<Picture> result;
  for (const Picture& frame : frames) result.push_back(scaled(frame.rgb, frame.size, to));
  return result;
}

/// The frames' height when they are that wide.
int height_at(int width, PictureSize frame) {
  return std::max(1, static_cast<int>((static_cast<long>(width) * frame.height + frame.width / 2) / frame.width));
}

/// Makes room first, since a picture at the last line would move the others up while they are drawn.
std::string kitty_row(const std::vector<Picture>& frames, int columns, PictureSize cell) {
  const int height = height_at(columns * cell.width, frames.front().size);
  const int lines = (height + cell.height - 1) / cell.height;
  const std::string down(static_cast<std::size_t>(lines), '\n');
  std::string text = down + fmt::format("\x1b[{}A", lines);
  for (const Picture& frame : frames) text += to_kitty(frame, columns) + fmt::format("\x1b[{}C", columns + 1);
  return text + "\r" + down;
}

std::string pictures(const std::vector<Picture>& frames, Graphics graphics, const Screen& terminal) {
  const int count = static_cast<int>(frames.size());
  const int columns = std::clamp((terminal.columns - count + 1) / count, 1, most_frame_columns);
  const PictureSize frame = frames.front().size, cell = terminal.cell;
  if (graphics == Graphics::kitty) return kitty_row(frames, columns, cell);
  const int width = graphics == Graphics::sixel ? columns * cell.width : columns;
  const std::vector<Picture> fitting = all_scaled(frames, {width, height_at(width, frame)});
  return graphics == Graphics::sixel ? to_sixel(fitting, cell.width) + "\n" : to_blocks(fitting);
}

}  // namespace

std::string to_text(const PreviewRow& row, Graphics graphics, const Screen& terminal) {
  const auto columns = static_cast<std::size_t>(std::max(20, terminal.columns));
  std::string text =
      fmt::format("\x1b[1m{}\x1b[0m  \x1b[2m{}\x1b[0m\n", one_line(row.name, columns), one_line(row.about, columns));
  if (!row.prompt.empty()) text += one_line(row.prompt, columns) + "\n";
  if (!row.frames.empty()) text += pictures(row.frames, graphics, terminal);
  return text + "\n";
}

}  // namespace wf
