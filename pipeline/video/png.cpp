// pipeline/video/png.cpp: to_png() and write_png() with zlib only, so that a build without FFmpeg can write PNG files,
// too. Source: the PNG specification (ISO/IEC 15948): a signature, then chunks of length, name, data and CRC;
// truecolour, 8 bits, one filter byte before each row.
#include <zlib.h>

#include <string>
#include <string_view>

#include "base/check.hpp"
#include "base/error.hpp"
#include "pipeline/video/picture.hpp"
#include "pipeline/video/video_writer.hpp"

namespace wf {
namespace {

std::string big_endian(std::uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
          static_cast<char>(value)};
}

const Bytef* bytes(std::string_view text) { return reinterpret_cast<const Bytef*>(text.data()); }

std::string chunk(const std::string& name, const std::string& data) {
  const std::string body = name + data;
  const auto crc = static_cast<std::uint32_t>(::crc32_z(0, bytes(body), body.size()));
  return big_endian(static_cast<std::uint32_t>(data.size())) + body + big_endian(crc);
}

std::string header(int width, int height) {
  const char depth = 8, truecolour = 2, deflate = 0, adaptive = 0, not_interlaced = 0;
  return big_endian(width) + big_endian(height) + std::string{depth, truecolour, deflate, adaptive, not_interlaced};
}

/// Every row as its difference from the row above (filter 2), which compresses smooth pictures well.
std::string filtered(std::span<const std::uint8_t> rgb, std::size_t row) {
  std::string rows;
  rows.reserve(rgb.size() + rgb.size() / row);
  for (std::size_t i = 0; i < rgb.size(); ++i) {
    if (i % row == 0) rows += '\2';
    rows += static_cast<char>(rgb[i] - (i < row ? 0 : rgb[i - row]));
  }
  return rows;
}

std::string deflated(const std::string& data) {
  std::string packed(::compressBound(data.size()), '\0');
  uLongf size = packed.size();
  if (::compress(reinterpret_cast<Bytef*>(packed.data()), &size, bytes(data), data.size()) != Z_OK)
    throw Error(Error::resource, "PNG: not enough memory to compress " + std::to_string(data.size()) + " bytes");
  packed.resize(size);
  return packed;
}

/// The whole file.
std::string png(std::span<const std::uint8_t> rgb, int width, int height) {
  const std::size_t row = std::size_t{3} * width;
  WF_CHECK(width > 0 && height > 0 && rgb.size() == row * height);
  return "\x89PNG\r\n\x1a\n" + chunk("IHDR", header(width, height)) + chunk("IDAT", deflated(filtered(rgb, row))) +
         chunk("IEND", "");
}

}  // namespace

std::string to_png(const Picture& picture) { return png(picture.rgb, picture.size.width, picture.size.height); }

void write_png(const Path& file, std::span<const std::uint8_t> rgb, int width, int height) {
  write_file(file, png(rgb, width, height));
}

}  // namespace wf
