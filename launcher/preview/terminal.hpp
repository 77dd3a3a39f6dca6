// launcher/preview/terminal.hpp: what the terminal can show, and how large it is.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "pipeline/video/picture.hpp"

namespace wf {

/// Ways of showing pictures, from the one that every terminal has to the best one.
enum class Graphics { blocks, sixel, kitty };

/// Value of an environment variable, or "".
using Variable = std::function<std::string(const char* name)>;

/// Whether the environment is that of a terminal with kitty's graphics: kitty, Ghostty or WezTerm. Not within tmux or
/// screen, which do not pass it on.
bool has_kitty_graphics(const Variable& variable);
/// Whether a terminal's answer to the request for its primary device attributes (DA1, "\x1b[c") names sixel:
/// "\x1b[?62;4;22c" does, since 4 is among its attributes.
bool names_sixel(std::string_view answer);

/// The best way of the terminal on standard output, which is asked for sixel and has 0.3 s to answer. Blocks when
/// standard output is no terminal.
Graphics detect_graphics();

struct Screen {
  int columns = 80;
  PictureSize cell = {10, 20};  ///< In pixels.
};
/// Of the terminal on standard output. What it does not tell keeps the default.
Screen screen_size();

}  // namespace wf
