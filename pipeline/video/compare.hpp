// pipeline/video/compare.hpp: how far two videos are apart.
#pragma once

#include "cluster/files.hpp"

namespace wf {

struct Comparison {
  int width = 0, height = 0, frames = 0;  ///< of both
  double mae = 0;                         ///< mean absolute difference of the rgb24 bytes, 0..255
  double max = 0;                         ///< largest absolute difference of the rgb24 bytes, 0..255
  double psnr = 0;  ///< 10 log10(255^2 / mean squared difference) over all bytes, dB; infinity when equal
  double ssim = 0;  ///< mean over frames, 1 when equal; see compare.cpp for the windows
};

/// Reads both once, side by side: the memory is that of a few frames, whatever the length.
/// Throws input when a file is broken, or when the two differ in size or in number of frames.
Comparison compare(const Path& a, const Path& b);

}  // namespace wf
