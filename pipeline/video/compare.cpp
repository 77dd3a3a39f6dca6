// pipeline/video/compare.cpp: differences of bytes, and structural similarity (SSIM) of the luma.
// Source of SSIM: Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to structural
// similarity", IEEE TIP 13(4), 2004, equation 13 with K1 = 0.01, K2 = 0.03, L = 255. The windows are uniform, 8x8 and 4
// apart, as in FFmpeg's filter.
#include "pipeline/video/compare.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <vector>

#include "base/error.hpp"
#include "pipeline/video/video_writer.hpp"

namespace wf {
namespace {

using Bytes = std::vector<std::uint8_t>;

/// Sums over all frames.
struct Sums {
  double absolute = 0, squared = 0, ssim = 0;
  int max = 0, frames = 0;
};

/// BT.601 luma of packed rgb24, 0..255, one value per pixel.
std::vector<float> luma(const Bytes& rgb) {
  std::vector<float> y(rgb.size() / 3);
  for (std::size_t i = 0; i < y.size(); ++i)
    y[i] = 0.299f * rgb[3 * i] + 0.587f * rgb[3 * i + 1] + 0.114f * rgb[3 * i + 2];
  return y;
}

/// SSIM of two windows of rows x columns that begin at `a` and `b`, in planes whose rows are `stride` samples apart.
double window_ssim(const float* a, const float* b, int stride, int rows, int columns) {
  double sum_a = 0, sum_b = 0, sum_aa = 0, sum_bb = 0, sum_ab = 0;
  for (int y = 0; y < rows; ++y) {
    for (int x = 0; x < columns; ++x) {
      const double p = a[y * stride + x], q = b[y * stride + x];
      sum_a += p, sum_b += q, sum_aa += p * p, sum_bb += q * q, sum_ab += p * q;
    }
  }
  const double n = rows * columns, mean_a = sum_a / n, mean_b = sum_b / n;
  const double freedom = std::max(n - 1, 1.0);  // unbiased estimates, as in the paper
  const double variances = (sum_aa + sum_bb - n * (mean_a * mean_a + mean_b * mean_b)) / freedom;
  const double covariance = (sum_ab - n * mean_a * mean_b) / freedom;
  constexpr double c1 = 0.01 * 255 * 0.01 * 255, c2 = 0.03 * 255 * 0.03 * 255;
  return (2 * mean_a * mean_b + c1) * (2 * covariance + c2) /
         ((mean_a * mean_a + mean_b * mean_b + c1) * (variances + c2));
}

double frame_ssim(const Bytes& a, const Bytes& b, int width, int height) {
  const std::vector<float> luma_a = luma(a), luma_b = luma(b);
  const int rows = std::min(8, height), columns = std::min(8, width);  // a picture smaller than a window is one window
  double sum = 0;
  int windows = 0;
  for (int y = 0; y + rows <= height; y += 4) {
    for (int x = 0; x + columns <= width; x += 4, ++windows) {
      const std::size_t at = static_cast<std::size_t>(y) * width + x;
      sum += window_ssim(&luma_a[at], &luma_b[at], width, rows, columns);
    }
  }
  return sum / windows;
}

void add_frame(Sums& sums, const Bytes& a, const Bytes& b, const VideoInfo& info) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    const int difference = std::abs(a[i] - b[i]);
    sums.absolute += difference;
    sums.squared += difference * difference;
    sums.max = std::max(sums.max, difference);
  }
  sums.ssim += frame_ssim(a, b, info.width, info.height);
  ++sums.frames;
}

Comparison mean(const Sums& sums, const VideoInfo& info) {
  const double count = 3.0 * info.width * info.height * sums.frames;
  return {.width = info.width,
          .height = info.height,
          .frames = sums.frames,
          .mae = sums.absolute / count,
          .max = static_cast<double>(sums.max),
          .psnr = 10 * std::log10(255.0 * 255.0 * count / sums.squared),
          .ssim = sums.ssim / sums.frames};
}

std::string size_of(const VideoInfo& info) { return std::to_string(info.width) + "x" + std::to_string(info.height); }

[[noreturn]] void differ(const Path& a, const std::string& is_a, const Path& b, const std::string& is_b) {
  throw Error(Error::input, a.string() + " and " + b.string() + " cannot be compared: the first has " + is_a +
                                ", the second " + is_b);
}

int frames_left(VideoReader& video, Bytes& frame) {
  int count = 0;
  while (video.next(frame)) ++count;
  return count;
}

}  // namespace

Comparison compare(const Path& a, const Path& b) {
  const std::unique_ptr<VideoReader> video_a = read_video(a), video_b = read_video(b);
  const VideoInfo& info = video_a->info();
  if (size_of(info) != size_of(video_b->info())) differ(a, size_of(info) + " pixels", b, size_of(video_b->info()));
  Bytes frame_a(std::size_t{3} * info.width * info.height), frame_b(frame_a.size());
  Sums sums;
  for (;;) {
    const bool more_a = video_a->next(frame_a), more_b = video_b->next(frame_b);
    if (more_a != more_b) {
      const int count_a = sums.frames + more_a + frames_left(*video_a, frame_a);
      const int count_b = sums.frames + more_b + frames_left(*video_b, frame_b);
      differ(a, std::to_string(count_a) + " frames", b, std::to_string(count_b));
    }
    if (!more_a) break;
    add_frame(sums, frame_a, frame_b, info);
  }
  if (sums.frames == 0) throw Error(Error::input, a.string() + " and " + b.string() + " have no frames to compare");
  return mean(sums, info);
}

}  // namespace wf
