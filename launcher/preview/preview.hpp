// launcher/preview/preview.hpp: a clip as a row of pictures in a terminal.
#pragma once

#include <string>
#include <vector>

#include "launcher/preview/terminal.hpp"
#include "pipeline/video/picture.hpp"

namespace wf {

struct PreviewRow {
  std::string name, about, prompt;  ///< As users wrote them: what is not printable is replaced. prompt may be empty.
  std::vector<Picture> frames;      ///< All of one size.
};

/// Name and prompt in a line each, and below them the frames side by side, as wide as the terminal but no wider than 40
/// columns each. Ends in an empty line.
std::string to_text(const PreviewRow& row, Graphics graphics, const Screen& terminal);

}  // namespace wf
