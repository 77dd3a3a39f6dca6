// launcher/preview/blocks.cpp: see graphics.hpp
#include <spdlog/fmt/fmt.h>

#include <cstdint>
#include <string_view>

#include "launcher/preview/graphics.hpp"

namespace wf {
namespace {

constexpr std::string_view plain = "\x1b[0m", upper_half_block = "\u2580";

const std::uint8_t* pixel(const Picture& picture, int x, int y) {
  return picture.rgb.data() + std::size_t{3} * (static_cast<std::size_t>(y) * picture.size.width + x);
}

/// The upper pixel is the block's colour, the lower one the cell's ground.
std::string cell(const Picture& picture, int x, int y) {
  const std::uint8_t* const above = pixel(picture, x, y);
  const std::string upper = fmt::format("\x1b[38;2;{};{};{}", above[0], above[1], above[2]);
  if (y + 1 >= picture.size.height) return upper + ";49m";
  const std::uint8_t* const below = pixel(picture, x, y + 1);
  return upper + fmt::format(";48;2;{};{};{}m", below[0], below[1], below[2]);
}

std::string line(const Picture& picture, int y) {
  std::string text, colours;
  for (int x = 0; x < picture.size.width; ++x) {
    std::string next = cell(picture, x, y);
    if (next != colours) text += next;
    colours = std::move(next);
    text += upper_half_block;
  }
  return text.append(plain);
}

}  // namespace

std::string to_blocks(std::span<const Picture> pictures) {
  std::string text;
  for (int y = 0; !pictures.empty() && y < pictures.front().size.height; y += 2) {
    for (std::size_t i = 0; i < pictures.size(); ++i) text += (i > 0 ? " " : "") + line(pictures[i], y);
    text += '\n';
  }
  return text;
}

}  // namespace wf
