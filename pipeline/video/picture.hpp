// pipeline/video/picture.hpp: still pictures in memory: scaling, cutting and pasting, and PNG and JPEG as bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace wf {

/// In pixels.
struct PictureSize {
  int width = 0, height = 0;
  bool operator==(const PictureSize&) const = default;
};

/// A rectangle of pixels; (0, 0) is the upper left corner of the picture.
struct PictureArea {
  int x = 0, y = 0;
  PictureSize size = {};
  bool operator==(const PictureArea&) const = default;
};

/// Packed rgb24: 3 bytes (R, G, B; sRGB, 0..255) per pixel, rows from the top without gaps.
struct Picture {
  explicit Picture(PictureSize of) : size(of), rgb(std::size_t{3} * of.width * of.height) {}
  PictureSize size;
  std::vector<std::uint8_t> rgb;
};

/// The picture `rgb` of the size `from` in another size. Each new pixel is a weighted mean of those that it covers and
/// of their neighbours (Catmull-Rom's cubic, widened where the picture shrinks), so that details neither flicker nor
/// alias. Both sizes are positive.
Picture scaled(std::span<const std::uint8_t> rgb, PictureSize from, PictureSize to);

/// Replaces the area of `into` whose upper left corner is (x, y). The part must lie within.
void paste(const Picture& part, Picture& into, int x, int y);
/// A copy of an area that lies within the picture.
Picture cut(const Picture& picture, const PictureArea& area);

/// The picture as a PNG file (8-bit truecolour). Throws resource.
std::string to_png(const Picture& picture);

/// The picture as the smallest file that this build can make: a JPEG file, or a PNG file without FFmpeg. Throws
/// resource.
std::string to_small_file(const Picture& picture);
/// Which one: "jpg" or "png".
std::string small_file_ending();
/// Whether such a file, of either kind, is there to its end. After a crash of the node it need not be.
bool is_whole_file(std::string_view bytes) noexcept;

}  // namespace wf
