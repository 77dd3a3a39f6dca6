#include "pipeline/video/picture.hpp"

#include <algorithm>
#include <cmath>

#include "base/check.hpp"
#include "pipeline/video/libav_video.hpp"

namespace wf {
namespace {

/// Catmull-Rom's cubic: 1 at 0, 0 at whole numbers and beyond 2.
float cubic(float x) {
  x = std::abs(x);
  if (x < 1) return (1.5f * x - 2.5f) * x * x + 1;
  return x < 2 ? ((-0.5f * x + 2.5f) * x - 4) * x + 2 : 0;
}

/// Which old samples one new sample is made of: sample first + i counts weights[i]. Their sum is 1.
struct Taps {
  int first;
  std::vector<float> weights;
};

Taps taps_around(float centre, float width, int samples) {
  const int first = std::max(0, static_cast<int>(std::floor(centre - 2 * width)));
  const int last = std::min(samples - 1, static_cast<int>(std::ceil(centre + 2 * width)));
  Taps taps{first, {}};
  float sum = 0;
  for (int i = first; i <= last; ++i) {
    taps.weights.push_back(cubic((static_cast<float>(i) - centre) / width));
    sum += taps.weights.back();
  }
  for (float& weight : taps.weights) weight /= sum;
  return taps;
}

/// For a row or column that goes from `from` to `to` samples.
std::vector<Taps> taps_of(int from, int to) {
  const float step = static_cast<float>(from) / static_cast<float>(to);
  std::vector<Taps> taps;
  for (int i = 0; i < to; ++i)
    taps.push_back(taps_around((static_cast<float>(i) + 0.5f) * step - 0.5f, std::max(step, 1.0f), from));
  return taps;
}

/// Scales the rows of an image of `rows` x `from` pixels to `to` pixels: [rows, to, 3], not rounded.
std::vector<float> scaled_rows(std::span<const std::uint8_t> rgb, int rows, int from, int to) {
  const std::vector<Taps> taps = taps_of(from, to);
  std::vector<float> result;
  result.reserve(std::size_t{3} * rows * to);
  for (int row = 0; row < rows; ++row) {
    const std::uint8_t* const pixels = rgb.data() + std::size_t{3} * row * from;
    for (const auto& [first, weights] : taps) {
      float sum[3] = {};
      const std::uint8_t* pixel = pixels + std::size_t{3} * first;
      for (const float weight : weights) {
        for (float& channel : sum) channel += weight * static_cast<float>(*pixel++);
      }
      result.insert(result.end(), sum, sum + 3);
    }
  }
  return result;
}

std::uint8_t to_byte(float value) { return static_cast<std::uint8_t>(std::clamp(value + 0.5f, 0.0f, 255.0f)); }

/// Scales the columns of an image of rows of `samples` values.
void scale_columns(const std::vector<float>& rows, std::size_t samples, int from, int to, std::uint8_t* out) {
  std::vector<float> sum(samples);
  for (const auto& [first, weights] : taps_of(from, to)) {
    std::fill(sum.begin(), sum.end(), 0.0f);
    const float* row = rows.data() + samples * first;
    for (const float weight : weights) {
      for (float& value : sum) value += weight * *row++;
    }
    out = std::transform(sum.begin(), sum.end(), out, to_byte);
  }
}

bool lies_within(const PictureArea& area, PictureSize size) {
  return area.x >= 0 && area.y >= 0 && area.size.width >= 0 && area.size.height >= 0 &&
         area.x + area.size.width <= size.width && area.y + area.size.height <= size.height;
}

/// Where the pixel begins in the picture's bytes.
std::size_t offset(const Picture& picture, int x, int y) {
  return std::size_t{3} * (static_cast<std::size_t>(y) * picture.size.width + x);
}

}  // namespace

Picture scaled(std::span<const std::uint8_t> rgb, PictureSize from, PictureSize to) {
  WF_CHECK(from.width > 0 && from.height > 0 && to.width > 0 && to.height > 0);
  WF_CHECK(rgb.size() == std::size_t{3} * from.width * from.height);
  Picture result(to);
  const std::vector<float> rows = scaled_rows(rgb, from.height, from.width, to.width);
  scale_columns(rows, std::size_t{3} * to.width, from.height, to.height, result.rgb.data());
  return result;
}

void paste(const Picture& part, Picture& into, int x, int y) {
  WF_CHECK(lies_within({x, y, part.size}, into.size));
  const std::size_t row = std::size_t{3} * part.size.width;
  for (int i = 0; i < part.size.height; ++i)
    std::copy_n(part.rgb.data() + offset(part, 0, i), row, into.rgb.data() + offset(into, x, y + i));
}

Picture cut(const Picture& picture, const PictureArea& area) {
  WF_CHECK(lies_within(area, picture.size));
  Picture part(area.size);
  const std::size_t row = std::size_t{3} * area.size.width;
  for (int i = 0; i < area.size.height; ++i)
    std::copy_n(picture.rgb.data() + offset(picture, area.x, area.y + i), row, part.rgb.data() + offset(part, 0, i));
  return part;
}

std::string to_small_file(const Picture& picture) {
  return libav_can_write_jpeg() ? libav_jpeg(picture) : to_png(picture);
}

std::string small_file_ending() { return libav_can_write_jpeg() ? "jpg" : "png"; }

bool is_whole_file(std::string_view bytes) noexcept {
  constexpr std::string_view end_of_jpeg = "\xff\xd9", end_of_png = "IEND\xae\x42\x60\x82";
  return bytes.ends_with(end_of_jpeg) || bytes.ends_with(end_of_png);
}

}  // namespace wf
