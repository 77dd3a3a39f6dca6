// pipeline/video/libav_video.hpp: the formats that FFmpeg's libraries add to our own Y4M. A build without FFmpeg links
// libav_none.cpp, whose functions refuse everything.
#pragma once

#include <memory>
#include <string>

#include "pipeline/video/picture.hpp"
#include "pipeline/video/video_writer.hpp"

namespace wf {

/// Whether this build's libav has an encoder for `codec`: h264, hevc or ffv1.
bool libav_can_write(VideoCodec codec);
/// Whether this build's libav has a decoder for `codec`: h264, hevc or ffv1.
bool libav_can_read(VideoCodec codec);

/// open_video() for the codecs of libav. The format must have passed check_format(). Throws storage when the file
/// cannot be created, input when the encoder refuses the format.
std::unique_ptr<VideoWriter> open_libav_writer(const Path& file, const VideoFormat& format);

/// read_video() for every file that libav can decode. Throws input.
std::unique_ptr<VideoReader> open_libav_reader(const Path& file);

/// Whether this build's libav has an encoder for JPEG.
bool libav_can_write_jpeg();
/// The picture as a JPEG file of 4:2:0. Throws resource.
std::string libav_jpeg(const Picture& picture);

}  // namespace wf
