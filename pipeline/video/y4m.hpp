// pipeline/video/y4m.hpp: uncompressed Y4M video, written and read without FFmpeg; FFmpeg and most players can read it.
// Layout: a text line "YUV4MPEG2 W.. H.. F..:1 Ip A1:1 C444 XCOLORRANGE=LIMITED XMATRIX=BT709", then for each frame a
// line "FRAME" and the planes Y, Cb, Cr, one byte per sample. 4:4:4 keeps the colour of every pixel. Samples have
// limited range, as in H.264 files:
//   luma = Kr R + (1 - Kr - Kb) G + Kb B, with Kr, Kb = 0.2126, 0.0722 (ITU-R BT.709-6) or 0.299, 0.114 (BT.601-7)
//   Y = 16 + 219 luma / 255, Cb = 128 + 112 (B - luma) / (1 - Kb) / 255, Cr = 128 + 112 (R - luma) / (1 - Kr) / 255
// in 16-bit fixed point, rounded. A colour is read back within 2 of 255.
//
// Y4M has no field for the matrix. XMATRIX=BT709 or BT601 is our own: we read it, other programs skip it and assume a
// matrix (the ffmpeg program: BT.601; many players: BT.709 from 720 lines up), as we assume BT.601 where it is missing.
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
