// tests/pipeline/video/png_test.cpp: PNG files read back chunk by chunk with zlib.
#include <zlib.h>

#include "clips.hpp"
#include "pipeline/video/video_writer.hpp"

namespace wf::test {
namespace {

using Png = VideoTest;

std::uint32_t number(const std::string& bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<std::uint8_t>(bytes[at + i]);
  return value;
}

/// The data of the chunk at `at`, whose name and CRC are checked; advances `at` to the next chunk.
std::string chunk(const std::string& png, std::size_t& at, const std::string& name) {
  const std::uint32_t size = number(png, at);
  const std::string body = png.substr(at + 4, 4 + size);
  EXPECT_EQ(body.substr(0, 4), name);
  EXPECT_EQ(number(png, at + 8 + size), ::crc32(0, reinterpret_cast<const Bytef*>(body.data()), body.size()));
  at += 12 + size;
  return body.substr(4);
}

TEST_F(Png, HoldsEveryPixel) {
  const int width = 48, height = 32;
  const Bytes rgb = noise(width, height, 1, 3);
  write_png(file("a.png"), rgb, width, height);

  const std::string png = read_file(file("a.png"));
  ASSERT_EQ(png.substr(0, 8), "\x89PNG\r\n\x1a\n");
  std::size_t at = 8;
  const std::string header = chunk(png, at, "IHDR");
  EXPECT_EQ(number(header, 0), 48u);
  EXPECT_EQ(number(header, 4), 32u);
  EXPECT_EQ(header.substr(8), std::string("\x08\x02\x00\x00\x00", 5));
  const std::string packed = chunk(png, at, "IDAT");
  chunk(png, at, "IEND");
  EXPECT_EQ(at, png.size());

  Bytes rows((3 * width + 1) * height);
  uLongf size = rows.size();
  ASSERT_EQ(::uncompress(rows.data(), &size, reinterpret_cast<const Bytef*>(packed.data()), packed.size()), Z_OK);
  ASSERT_EQ(size, rows.size());
  const std::size_t row = 3 * width;
  for (std::size_t i = 0; i < rgb.size(); ++i) {
    const std::uint8_t above = i < row ? 0 : rgb[i - row];
    ASSERT_EQ(rgb[i], static_cast<std::uint8_t>(rows[i + i / row + 1] + above)) << "byte " << i;
  }
}

TEST_F(Png, SmoothPicturesAreCompressedToAThird) {
  write_png(file("a.png"), moving_gradient(256, 256, 1), 256, 256);
  EXPECT_LT(std::filesystem::file_size(file("a.png")), 256u * 256 * 3 / 3);
}

TEST_F(Png, MissingFolderIsNamed) {
  const Path path = file("nowhere") / "a.png";
  const std::string what = error_of(Error::storage, [&] { write_png(path, Bytes(12), 2, 2); });
  EXPECT_NE(what.find(path.string()), std::string::npos) << what;
}

}  // namespace
}  // namespace wf::test
