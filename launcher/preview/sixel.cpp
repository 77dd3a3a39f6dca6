// launcher/preview/sixel.cpp: see graphics.hpp. Source: DEC's VT330/VT340 Programmer Reference, volume 2, chapter 14: a
// character is a column of six pixels, of which bit 0 is the uppermost, plus 63; $ goes back to the beginning of the
// six rows, - to the next six; #n;2;r;g;b sets colour n in percent; !n repeats the next character n times.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "launcher/preview/graphics.hpp"
#include "launcher/preview/palette.hpp"

namespace wf {
namespace {

/// A run of one character.
std::string repeated(char c, int count) {
  return count > 3 ? fmt::format("!{}{}", count, c) : std::string(static_cast<std::size_t>(count), c);
}

/// The pictures as one canvas of palette entries; -1 where there is none.
struct Canvas {
  int width, height;
  std::vector<int> pixels;
  int at(int x, int y) const { return y < height ? pixels[static_cast<std::size_t>(y) * width + x] : -1; }
};

Canvas side_by_side(const std::vector<std::vector<std::uint8_t>>& pictures, PictureSize size, int gap) {
  const int count = static_cast<int>(pictures.size());
  Canvas canvas{count * size.width + (count - 1) * gap, size.height, {}};
  canvas.pixels.assign(static_cast<std::size_t>(canvas.width) * canvas.height, -1);
  for (int i = 0; i < count; ++i)
    for (int y = 0; y < size.height; ++y)
      std::copy_n(pictures[static_cast<std::size_t>(i)].begin() + y * size.width, size.width,
                  canvas.pixels.begin() + y * canvas.width + i * (size.width + gap));
  return canvas;
}

/// The pixels of one colour in the six rows from y on; "" if there are none.
std::string row_of_colour(const Canvas& canvas, int y, int colour) {
  std::string text;
  char last = '?';
  int count = 0;
  for (int x = 0; x < canvas.width; ++x) {
    int bits = 0;
    for (int i = 0; i < 6; ++i) bits |= (canvas.at(x, y + i) == colour) << i;
    const char c = static_cast<char>('?' + bits);
    if (c != last) text += repeated(last, std::exchange(count, 0));
    last = c;
    ++count;
  }
  if (last != '?') text += repeated(last, count);
  return text;
}

std::string rows(const Canvas& canvas, int y) {
  std::array<bool, most_colours> used{};
  for (int row = y; row < y + 6; ++row)
    for (int x = 0; x < canvas.width; ++x)
      if (const int colour = canvas.at(x, row); colour >= 0) used[static_cast<std::size_t>(colour)] = true;
  std::string text;
  for (std::size_t colour = 0; colour < used.size(); ++colour)
    if (used[colour])
      text +=
          fmt::format("{}#{}{}", text.empty() ? "" : "$", colour, row_of_colour(canvas, y, static_cast<int>(colour)));
  return text + "-";
}

std::string colour_registers(const std::vector<Colour>& palette) {
  const auto percent = [](int value) { return (value * 100 + 127) / 255; };
  std::string text;
  for (std::size_t i = 0; i < palette.size(); ++i)
    text += fmt::format("#{};2;{};{};{}", i, percent(palette[i][0]), percent(palette[i][1]), percent(palette[i][2]));
  return text;
}

}  // namespace

std::string to_sixel(std::span<const Picture> pictures, int gap) {
  if (pictures.empty()) return "";
  const std::vector<Colour> palette = choose_palette(pictures);
  const Canvas canvas = side_by_side(dithered(pictures, palette), pictures.front().size, gap);
  // Square pixels (1;1), and pixels without a colour stay as they are (the second 1 of P2).
  std::string text = fmt::format("\x1bP0;1q\"1;1;{};{}", canvas.width, canvas.height);
  text += colour_registers(palette);
  for (int y = 0; y < canvas.height; y += 6) text += rows(canvas, y);
  return text + "\x1b\\";
}

}  // namespace wf
