// launcher/preview/graphics.hpp: pictures as text for a terminal, in three ways.
#pragma once

#include <span>
#include <string>

#include "pipeline/video/picture.hpp"

namespace wf {

/// Pictures of one size side by side, as half blocks: a character cell shows two pixels, one above the other, in 24-bit
/// colour. Cells between the pictures stay empty. Lines end in a newline. A picture of odd height gets half a cell.
std::string to_blocks(std::span<const Picture> pictures);

/// A picture as PNG in chunks of kitty's graphics protocol, which the terminal scales to `columns` cells. The cursor
/// stays where it is.
std::string to_kitty(const Picture& picture, int columns);

/// Pictures of one size side by side, `gap` pixels apart, as one sixel image of at most 256 colours. What lies between
/// them keeps the colour of the terminal.
std::string to_sixel(std::span<const Picture> pictures, int gap);

}  // namespace wf
