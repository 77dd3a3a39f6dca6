// launcher/preview/palette.hpp: pictures in few colours.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "pipeline/video/picture.hpp"

namespace wf {

constexpr std::size_t most_colours = 255;
/// Red, green and blue, 0..255.
using Colour = std::array<int, 3>;

/// At most `most_colours` colours that stand for those of all pictures: the box of the colours is halved, again and
/// again, where it is longest (median cut). Pictures of fewer colours get exactly theirs.
std::vector<Colour> choose_palette(std::span<const Picture> pictures);

/// For each picture the index of a colour for each pixel. The error of a pixel is spread over its neighbours (Floyd and
/// Steinberg), so that gradients show no bands.
std::vector<std::vector<std::uint8_t>> dithered(std::span<const Picture> pictures, const std::vector<Colour>& palette);

}  // namespace wf
