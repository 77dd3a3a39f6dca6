// tests/launcher/preview/graphics_test.cpp: what a terminal would make of the text is the picture again. The decoders
// are written from the protocols' descriptions.
#include "launcher/preview/graphics.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

#include <array>
#include <cmath>
#include <map>
#include <sstream>
#include <stdexcept>

namespace wf {
namespace {

using Rgb = std::array<int, 3>;

/// Waves of colour, different for each number.
Picture waves(PictureSize size, int number = 0) {
  Picture picture(size);
  for (std::size_t i = 0; i < picture.rgb.size(); ++i) {
    const auto pixel = i / 3, width = static_cast<std::size_t>(size.width);
    const double x = static_cast<double>(pixel % width), y = static_cast<double>(pixel / width);
    const double wave = std::sin(x / 9 + number) + std::cos(y / 7 - static_cast<double>(i % 3));
    picture.rgb[i] = static_cast<std::uint8_t>(127.5 + 60 * wave);
  }
  return picture;
}

Rgb pixel(const Picture& picture, int x, int y) {
  const std::uint8_t* at = picture.rgb.data() + std::size_t{3} * (y * picture.size.width + x);
  return {at[0], at[1], at[2]};
}

/// Of two pictures of one size, over all channels, of 255.
double mean_difference(const Picture& a, const Picture& b) {
  EXPECT_EQ(a.size, b.size);
  double sum = 0;
  for (std::size_t i = 0; i < a.rgb.size(); ++i) sum += std::abs(a.rgb[i] - b.rgb[i]);
  return sum / static_cast<double>(a.rgb.size());
}

/// A text that is read from its beginning.
struct Text {
  std::string rest;
  bool take(const std::string& text) {
    if (!rest.starts_with(text)) return false;
    rest.erase(0, text.size());
    return true;
  }
  void expect(const std::string& text) {
    if (!take(text)) throw std::runtime_error("no " + text + " at " + rest.substr(0, 30));
  }
  std::string until(const std::string& end) {
    const std::size_t size = rest.find(end);
    if (size == std::string::npos) throw std::runtime_error("no " + end);
    const std::string text = rest.substr(0, size);
    rest.erase(0, size + end.size());
    return text;
  }
  int number() {
    std::size_t size = 0;
    const int value = std::stoi(rest, &size);
    rest.erase(0, size);
    return value;
  }
};

// --- half blocks

/// A cell of a terminal: its colours, if it has a half block.
struct BlockCell {
  bool block = false;
  Rgb upper{}, lower{};
  bool has_lower = false;
};

std::vector<std::vector<BlockCell>> decode_blocks(std::string blocks) {
  Text text{std::move(blocks)};
  std::vector<std::vector<BlockCell>> lines;
  std::vector<BlockCell> line;
  BlockCell pen;
  const auto colour = [&text] {
    Rgb rgb{};
    for (int& channel : rgb) {
      text.expect(";");
      channel = text.number();
    }
    return rgb;
  };
  while (!text.rest.empty()) {
    if (text.take("\x1b[0m"))
      pen = {};
    else if (text.take("\x1b[38;2")) {
      pen.upper = colour();
      pen.has_lower = text.take(";48;2");
      if (pen.has_lower)
        pen.lower = colour();
      else
        text.expect(";49");
      text.expect("m");
    } else if (text.take("\u2580")) {
      pen.block = true;
      line.push_back(pen);
    } else if (text.take(" ")) {
      line.push_back({});
    } else {
      text.expect("\n");
      lines.push_back(std::move(line));
      line.clear();
    }
  }
  return lines;
}

TEST(Blocks, ShowEveryPixelOfEveryPicture) {
  for (const PictureSize size : {PictureSize{12, 8}, {5, 7}, {1, 1}}) {
    const std::vector<Picture> pictures{waves(size, 0), waves(size, 1), waves(size, 2)};
    const auto lines = decode_blocks(to_blocks(pictures));
    ASSERT_EQ(lines.size(), static_cast<std::size_t>((size.height + 1) / 2));
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const int y = 2 * static_cast<int>(i);
      ASSERT_EQ(lines[i].size(), static_cast<std::size_t>(3 * size.width + 2));
      for (int n = 0; n < 3; ++n) {
        for (int x = 0; x < size.width; ++x) {
          const BlockCell& cell = lines[i][static_cast<std::size_t>(n * (size.width + 1) + x)];
          ASSERT_TRUE(cell.block);
          EXPECT_EQ(cell.upper, pixel(pictures[static_cast<std::size_t>(n)], x, y));
          EXPECT_EQ(cell.has_lower, y + 1 < size.height);
          if (cell.has_lower) {
            EXPECT_EQ(cell.lower, pixel(pictures[static_cast<std::size_t>(n)], x, y + 1));
          }
        }
      }
      EXPECT_FALSE(lines[i][static_cast<std::size_t>(size.width)].block) << "between two pictures";
    }
  }
}

// --- kitty

std::string from_base64(const std::string& text) {
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  unsigned bits = 0;
  int count = 0;
  for (const char c : text.substr(0, text.find('='))) {
    bits = bits << 6 | static_cast<unsigned>(digits.find(c));
    count += 6;
    if (count >= 8) bytes += static_cast<char>(bits >> (count -= 8) & 255);
  }
  return bytes;
}

std::uint32_t number_at(const std::string& bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<std::uint8_t>(bytes.at(at + i));
  return value;
}

/// A PNG file of truecolour whose rows have filter 2, as ours do.
Picture decode_png(const std::string& png) {
  Picture picture({static_cast<int>(number_at(png, 16)), static_cast<int>(number_at(png, 20))});
  const std::size_t row = std::size_t{3} * picture.size.width;
  std::string rows((row + 1) * picture.size.height, '\0');
  uLongf size = rows.size();
  const std::string packed = png.substr(41, number_at(png, 33));
  if (::uncompress(reinterpret_cast<Bytef*>(rows.data()), &size, reinterpret_cast<const Bytef*>(packed.data()),
                   packed.size()) != Z_OK)
    throw std::runtime_error("no PNG");
  for (std::size_t i = 0; i < picture.rgb.size(); ++i)
    picture.rgb[i] = static_cast<std::uint8_t>(rows[i + i / row + 1] + (i < row ? 0 : picture.rgb[i - row]));
  return picture;
}

TEST(Kitty, ChunksMakeThePngAgain) {
  const Picture picture = waves({160, 96});
  Text text{to_kitty(picture, 20)};
  std::string data, more = "1";
  for (int chunk = 0; more == "1"; ++chunk) {
    text.expect("\x1b_G");
    std::map<std::string, std::string> keys;
    std::istringstream list(text.until(";"));
    for (std::string key; std::getline(list, key, ',');)
      keys[key.substr(0, key.find('='))] = key.substr(key.find('=') + 1);
    if (chunk == 0) {
      EXPECT_EQ(keys, (std::map<std::string, std::string>{
                          {"a", "T"}, {"f", "100"}, {"C", "1"}, {"q", "2"}, {"c", "20"}, {"m", "1"}}));
    } else {
      EXPECT_EQ(keys.size(), 1u) << "only m in later chunks";
    }
    more = keys.at("m");
    const std::string part = text.until("\x1b\\");
    EXPECT_LE(part.size(), 4096u);
    if (more == "1") {
      EXPECT_EQ(part.size() % 4, 0u);
    }
    data += part;
  }
  EXPECT_TRUE(text.rest.empty());
  EXPECT_EQ(decode_png(from_base64(data)).rgb, picture.rgb);
}

// --- sixel

struct SixelImage {
  Picture picture{PictureSize{1, 1}};
  std::vector<bool> painted;  ///< By pixel.
};

SixelImage decode_sixel(std::string sixel) {
  Text text{std::move(sixel)};
  text.expect("\x1bP0;1q\"1;1;");
  SixelImage image;
  PictureSize size;
  size.width = text.number();
  text.expect(";");
  size.height = text.number();
  image.picture = Picture(size);
  image.painted.assign(image.picture.rgb.size() / 3, false);
  std::map<int, Rgb> registers;
  int colour = -1, x = 0, y = 0;
  const auto paint = [&](int bits) {
    for (int i = 0; i < 6; ++i) {
      if (!(bits >> i & 1)) continue;
      if (x >= size.width || y + i >= size.height) throw std::runtime_error("outside of the image");
      const auto at = static_cast<std::size_t>((y + i) * size.width + x);
      if (image.painted[at]) throw std::runtime_error("painted twice");
      image.painted[at] = true;
      for (std::size_t c = 0; c < 3; ++c)
        image.picture.rgb[3 * at + c] = static_cast<std::uint8_t>(registers.at(colour)[c]);
    }
    ++x;
  };
  while (!text.take("\x1b\\")) {
    if (text.take("#")) {
      colour = text.number();
      if (!text.take(";2")) continue;
      for (int& channel : registers[colour]) {
        text.expect(";");
        channel = (text.number() * 255 + 50) / 100;
      }
    } else if (text.take("$")) {
      x = 0;
    } else if (text.take("-")) {
      x = 0;
      y += 6;
    } else {
      const int count = text.take("!") ? text.number() : 1;
      const int bits = text.rest.at(0) - '?';
      text.rest.erase(0, 1);
      if (bits < 0 || bits > 63) throw std::runtime_error("no sixel");
      for (int i = 0; i < count; ++i) paint(bits);
    }
  }
  EXPECT_TRUE(text.rest.empty());
  EXPECT_LE(registers.size(), 256u);
  return image;
}

TEST(Sixel, FewColoursComeBackExactlyButForTheRoundingToPercent) {
  Picture picture({31, 20});
  for (std::size_t i = 0; i < picture.rgb.size() / 3; ++i) {
    const std::array<Rgb, 3> colours{{{250, 10, 20}, {0, 128, 255}, {240, 240, 240}}};
    for (std::size_t c = 0; c < 3; ++c) picture.rgb[3 * i + c] = static_cast<std::uint8_t>(colours[i / 7 % 3][c]);
  }
  const SixelImage image = decode_sixel(to_sixel(std::vector{picture}, 4));
  ASSERT_EQ(image.picture.size, picture.size);
  for (std::size_t i = 0; i < picture.rgb.size(); ++i) ASSERT_NEAR(image.picture.rgb[i], picture.rgb[i], 2) << i;
}

/// Every pixel as the mean of those around it, which is what an eye makes of dithered ones.
Picture blurred(const Picture& picture) {
  return scaled(picture.rgb, picture.size, {picture.size.width / 4, picture.size.height / 4});
}

TEST(Sixel, ManyColoursComeBackAsAnEyeSeesThem) {
  const Picture picture = waves({240, 144});
  const SixelImage image = decode_sixel(to_sixel(std::vector{picture}, 4));
  EXPECT_LT(mean_difference(image.picture, picture), 8);
  EXPECT_LT(mean_difference(blurred(image.picture), blurred(picture)), 1.5);
}

TEST(Sixel, PicturesStandSideBySideAndTheGapStaysUnpainted) {
  const PictureSize size{40, 25};
  const std::vector<Picture> pictures{waves(size, 0), waves(size, 1)};
  const SixelImage image = decode_sixel(to_sixel(pictures, 9));
  ASSERT_EQ(image.picture.size, (PictureSize{89, 25}));
  for (int i = 0; i < 2; ++i)
    EXPECT_LT(mean_difference(cut(image.picture, {i * 49, 0, size}), pictures[static_cast<std::size_t>(i)]), 10);
  for (int y = 0; y < 25; ++y)
    for (int x = 0; x < 89; ++x)
      EXPECT_EQ(image.painted[static_cast<std::size_t>(y * 89 + x)], x < 40 || x >= 49) << x << ", " << y;
}

}  // namespace
}  // namespace wf
