// pipeline/video/y4m.hpp: uncompressed video of our own, for machines without FFmpeg. Every player and FFmpeg read it.
// Layout: a text line "YUV4MPEG2 W.. H.. F..:1 Ip A1:1 C444", then per frame "FRAME" and the planes Y, Cb, Cr, a byte a
// sample. 4:4:4 keeps the colour of every pixel. Samples are BT.601, limited range, as in the H.264 files:
//   Y = 16 + (65.481 R + 128.553 G + 24.966 B) / 255, Cb = 128 + (B - luma) scaled to 16..240, Cr alike from R,
// in 16-bit fixed point, rounded. A colour comes back within 2 of 255.
// The comment is left out: the header may hold no spaces, and FFmpeg reads no more than 80 characters of it.
#pragma once

#include <memory>

#include "pipeline/video/video_writer.hpp"

namespace wf {

/// Throws storage when the file cannot be created.
std::unique_ptr<VideoWriter> open_y4m_writer(const Path& file, const VideoFormat& format);

/// True when the file says that it is Y4M of this layout: C444, limited range, a side of 1 to 16384. Throws input when
/// it cannot be opened.
bool is_y4m444(const Path& file);

/// Throws input when the file is not of this layout.
std::unique_ptr<VideoReader> open_y4m_reader(const Path& file);

}  // namespace wf
