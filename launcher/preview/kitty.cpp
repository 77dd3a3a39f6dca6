// launcher/preview/kitty.cpp: see graphics.hpp. Source: https://sw.kovidgoyal.net/kitty/graphics-protocol
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <string_view>

#include "base/base64.hpp"
#include "launcher/preview/graphics.hpp"

namespace wf {

std::string to_kitty(const Picture& picture, int columns) {
  constexpr std::size_t most_in_a_chunk = 4096;
  const std::string data = base64(to_png(picture));
  std::string text;
  for (std::size_t at = 0; at < data.size(); at += most_in_a_chunk) {
    const bool more = at + most_in_a_chunk < data.size();
    // Transmit and show (T) a PNG (f=100), leave the cursor (C=1), answer nothing (q=2).
    const std::string first = at == 0 ? fmt::format("a=T,f=100,C=1,q=2,c={},", columns) : "";
    text += fmt::format("\x1b_G{}m={};{}\x1b\\", first, more ? 1 : 0, data.substr(at, most_in_a_chunk));
  }
  return text;
}

}  // namespace wf
