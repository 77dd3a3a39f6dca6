// pipeline/video/y4m.hpp: uncompressed Y4M video, written and read without FFmpeg; FFmpeg and most players can read it.
// Layout: a text line "YUV4MPEG2 W.. H.. F..:1 Ip A1:1 C444", then for each frame a line "FRAME" and the planes Y, Cb,
// Cr, one byte per sample. 4:4:4 keeps the colour of every pixel. Samples are BT.601, limited range, as in H.264 files:
//   Y = 16 + (65.481 R + 128.553 G + 24.966 B) / 255, Cb = 128 + (B - luma) scaled to 16..240, Cr = the same from R,
// in 16-bit fixed point, rounded. A colour is read back within 2 of 255. Source: ITU-R BT.601-7.
// VideoFormat::comment is not written: a header field cannot contain spaces, and FFmpeg reads at most 80 characters.
#pragma once

#include <memory>

#include "pipeline/video/video_writer.hpp"

namespace wf {

/// open_video() for y4m. Throws storage when the file cannot be created.
std::unique_ptr<VideoWriter> open_y4m_writer(const Path& file, const VideoFormat& format);

/// Whether the file's header is Y4M of this layout: C444, limited range, width and height from 1 to 16384. Throws input
/// when the file cannot be opened.
bool is_y4m444(const Path& file);

/// read_video() for files of this layout. Throws input for any other.
std::unique_ptr<VideoReader> open_y4m_reader(const Path& file);

}  // namespace wf
