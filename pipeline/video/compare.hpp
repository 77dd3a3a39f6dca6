// pipeline/video/compare.hpp: measures of the difference between two videos of equal size and length.
#pragma once

#include "base/files.hpp"

namespace wf {

/// The result of compare(); differences are of packed rgb24 bytes, over all frames.
struct Comparison {
  int width = 0, height = 0, frames = 0;  ///< Size in pixels and number of frames of both videos.
  double mae = 0;                         ///< Mean absolute difference, 0..255.
  double max = 0;                         ///< Largest absolute difference, 0..255.
  double psnr = 0;  ///< 10 log10(255^2 / mean squared difference) in dB; infinity for equal videos.
  double ssim = 0;  ///< Structural similarity of the luma, mean over frames; 1 for equal videos. Source: compare.cpp.
};

/// Reads both videos once, in step, keeping one frame of each in memory. Throws input when a file is missing or broken,
/// when the videos differ in size or number of frames, and when they have no frames.
Comparison compare(const Path& a, const Path& b);

}  // namespace wf
