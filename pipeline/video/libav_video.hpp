// pipeline/video/libav_video.hpp: what libav adds to the formats of our own. In a build without it, libav_none.cpp
// answers.
#pragma once

#include <memory>
#include <string>

#include "pipeline/video/video_writer.hpp"

namespace wf {

/// True when this build's libav has the encoder of that codec (h264, hevc, ffv1).
bool libav_can_write(const std::string& codec);

/// As open_video, for those codecs; the format has been checked.
std::unique_ptr<VideoWriter> open_libav_writer(const Path& file, const VideoFormat& format);

/// As read_video, for any file that libav can decode.
std::unique_ptr<VideoReader> open_libav_reader(const Path& file);

}  // namespace wf
