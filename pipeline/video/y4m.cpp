// pipeline/video/y4m.cpp: conversion between RGB and YUV, and the Y4M file format.
#include "pipeline/video/y4m.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <sstream>
#include <vector>

#include "base/check.hpp"
#include "base/error.hpp"

namespace wf {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

std::uint8_t to_byte(int fixed16) { return static_cast<std::uint8_t>(std::clamp((fixed16 + (1 << 15)) >> 16, 0, 255)); }

constexpr int fixed16(double value) { return static_cast<int>(value * (1 << 16) + (value < 0 ? -0.5 : 0.5)); }

/// The coefficients of y4m.hpp times 2^16, for both directions. A row's green is what the row's sum leaves for it, so
/// that grey stays grey: the luma row sums to 219 / 255, the chroma rows sum to zero.
struct Conversion {
  int y_r, y_g, y_b, u_r, u_g, u_b, v_r, v_g, v_b;  ///< RGB to YUV
  int rgb_y, r_v, g_u, g_v, b_u;                    ///< YUV to RGB
};

/// kr, kb: the weights of red and blue in the luma.
constexpr Conversion conversion_of(double kr, double kb) {
  const double luma = 219.0 / 255, chroma = 224.0 / 255, kg = 1 - kr - kb;
  const double red = 2 * (1 - kr), blue = 2 * (1 - kb);  // the ranges of R - luma and B - luma
  const int half = fixed16(chroma / 2), y_r = fixed16(luma * kr), y_b = fixed16(luma * kb);
  const int u_r = fixed16(-chroma * kr / blue), v_b = fixed16(-chroma * kb / red);
  return {.y_r = y_r,
          .y_g = fixed16(luma) - y_r - y_b,
          .y_b = y_b,
          .u_r = u_r,
          .u_g = -half - u_r,
          .u_b = half,
          .v_r = half,
          .v_g = -half - v_b,
          .v_b = v_b,
          .rgb_y = fixed16(1 / luma),
          .r_v = fixed16(red / chroma),
          .g_u = fixed16(-blue * kb / kg / chroma),
          .g_v = fixed16(-red * kr / kg / chroma),
          .b_u = fixed16(blue / chroma)};
}

constexpr Conversion bt601 = conversion_of(0.299, 0.114), bt709 = conversion_of(0.2126, 0.0722);
constexpr Conversion conversion(ColorMatrix matrix) { return matrix == ColorMatrix::bt709 ? bt709 : bt601; }

/// Converts packed rgb24 to three planes Y, Cb, Cr of rgb.size() / 3 samples each.
void to_yuv(const Conversion c, std::span<const std::uint8_t> rgb, std::span<std::uint8_t> yuv) {
  const std::size_t count = rgb.size() / 3;
  for (std::size_t i = 0; i < count; ++i) {
    const int r = rgb[3 * i], g = rgb[3 * i + 1], b = rgb[3 * i + 2];
    yuv[i] = to_byte(c.y_r * r + c.y_g * g + c.y_b * b + (16 << 16));
    yuv[count + i] = to_byte(c.u_r * r + c.u_g * g + c.u_b * b + (128 << 16));
    yuv[2 * count + i] = to_byte(c.v_r * r + c.v_g * g + c.v_b * b + (128 << 16));
  }
}

/// Converts planes back to packed rgb24: the inverse of to_yuv(), rounded and clipped.
void to_rgb(const Conversion c, std::span<const std::uint8_t> yuv, std::span<std::uint8_t> rgb) {
  const std::size_t count = rgb.size() / 3;
  for (std::size_t i = 0; i < count; ++i) {
    const int y = c.rgb_y * (yuv[i] - 16), u = yuv[count + i] - 128, v = yuv[2 * count + i] - 128;
    rgb[3 * i] = to_byte(y + c.r_v * v);
    rgb[3 * i + 1] = to_byte(y + c.g_u * u + c.g_v * v);
    rgb[3 * i + 2] = to_byte(y + c.b_u * u);
  }
}

class Y4mWriter : public VideoWriter {
 public:
  Y4mWriter(const Path& path, const VideoFormat& format)
      : path_(path),
        file_(std::fopen(path.c_str(), "wb")),
        conversion_(conversion(format.color)),
        yuv_(std::size_t{3} * format.width * format.height) {
    if (!file_) fail("cannot be created");
    std::ostringstream header;
    header << "YUV4MPEG2 W" << format.width << " H" << format.height << " F" << format.fps << ":1 Ip A1:1 C444"
           << " XCOLORRANGE=LIMITED XMATRIX=" << (format.color == ColorMatrix::bt709 ? "BT709" : "BT601") << '\n';
    write(header.str().data(), header.str().size());
  }

  void append(std::span<const std::uint8_t> rgb) override {
    WF_CHECK(rgb.size() % yuv_.size() == 0 && "whole frames only");
    for (; !rgb.empty(); rgb = rgb.subspan(yuv_.size())) {
      to_yuv(conversion_, rgb.first(yuv_.size()), yuv_);
      write("FRAME\n", 6);
      write(yuv_.data(), yuv_.size());
    }
  }

  void finish() override {
    if (std::fclose(file_.release()) != 0) fail("cannot be completed");
  }

 private:
  void write(const void* data, std::size_t size) {
    if (std::fwrite(data, 1, size, file_.get()) != size) fail("cannot be written");
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(Error::storage, path_.string() + ": " + what + ": " + std::strerror(errno));
  }

  Path path_;
  File file_;
  Conversion conversion_;
  std::vector<std::uint8_t> yuv_;
};

File open_to_read(const Path& path) {
  File file(std::fopen(path.c_str(), "rb"));
  if (!file) throw Error(Error::input, path.string() + ": cannot be opened: " + std::strerror(errno));
  return file;
}

/// The next line without its newline; nullopt at the end of the file, or if no line ends within `max` characters.
std::optional<std::string> read_line(std::FILE* file, std::size_t max) {
  std::string line;
  for (int c = std::fgetc(file); c != EOF && line.size() < max; c = std::fgetc(file)) {
    if (c == '\n') return line;
    line += static_cast<char>(c);
  }
  return std::nullopt;
}

/// The first line of a file.
struct Header {
  VideoInfo info;
  ColorMatrix matrix = ColorMatrix::bt601;  ///< what the ffmpeg program assumes, too, where a file does not say
};

/// The parsed first line of a file; nullopt if it is not of the layout in y4m.hpp.
std::optional<Header> read_header(std::FILE* file) {
  std::istringstream fields(read_line(file, 1024).value_or(""));
  std::string field;
  if (!(fields >> field) || field != "YUV4MPEG2") return std::nullopt;
  Header header{.info = {.codec = "y4m"}};
  VideoInfo& info = header.info;
  bool is_444 = false;
  while (fields >> field) {
    int rate = 0, scale = 0;
    std::sscanf(field.c_str(), "W%5d", &info.width);
    std::sscanf(field.c_str(), "H%5d", &info.height);
    if (std::sscanf(field.c_str(), "F%9d:%9d", &rate, &scale) == 2 && scale > 0) info.fps = double(rate) / scale;
    if (field == "C444") is_444 = true;
    if (field == "XCOLORRANGE=FULL") return std::nullopt;
    if (field == "XMATRIX=BT709") header.matrix = ColorMatrix::bt709;
  }
  const auto sensible = [](int length) { return length > 0 && length <= 16384; };
  if (!is_444 || !sensible(info.width) || !sensible(info.height)) return std::nullopt;
  return header;
}

class Y4mReader : public VideoReader {
 public:
  explicit Y4mReader(const Path& path) : path_(path), file_(open_to_read(path)) {
    const std::optional<Header> header = read_header(file_.get());
    if (!header) throw Error(Error::input, path.string() + ": is not Y4M video of 4:4:4 and limited range");
    info_ = header->info;
    conversion_ = conversion(header->matrix);
    yuv_.resize(std::size_t{3} * info_.width * info_.height);
  }

  const VideoInfo& info() const override { return info_; }

  bool next(std::span<std::uint8_t> rgb) override {
    WF_CHECK(rgb.size() == yuv_.size());
    const int first = std::fgetc(file_.get());
    if (first == EOF) return false;
    std::ungetc(first, file_.get());
    const std::optional<std::string> line = read_line(file_.get(), 1024);
    if (!line || !line->starts_with("FRAME")) fail("has no frame where one should begin");
    if (std::fread(yuv_.data(), 1, yuv_.size(), file_.get()) != yuv_.size()) fail("ends too early");
    to_rgb(conversion_, yuv_, rgb);
    ++frames_;
    return true;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(Error::input, path_.string() + ": " + what + ", after " + std::to_string(frames_) + " frames");
  }

  Path path_;
  File file_;
  VideoInfo info_;
  Conversion conversion_{};
  std::vector<std::uint8_t> yuv_;
  int frames_ = 0;
};

}  // namespace

std::unique_ptr<VideoWriter> open_y4m_writer(const Path& file, const VideoFormat& format) {
  return std::make_unique<Y4mWriter>(file, format);
}

bool is_y4m444(const Path& file) { return read_header(open_to_read(file).get()).has_value(); }

std::unique_ptr<VideoReader> open_y4m_reader(const Path& file) { return std::make_unique<Y4mReader>(file); }

}  // namespace wf
