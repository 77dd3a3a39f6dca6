// pipeline/write_video.hpp: frames become the clip's files: the video, and PNGs where they are wanted.
#pragma once

#include <string>

#include "cluster/sha256.hpp"
#include "pipeline/types.hpp"
#include "pipeline/video/video_writer.hpp"

namespace wf {

/// Passes frames on to a video file and, when `png_folder` is not empty, to numbered PNG files, hashing them on the
/// way.
class FrameWriter {
 public:
  FrameWriter(const Path& video, const VideoFormat& format, const Path& png_folder);
  void append(const Frames& frames);
  /// Completes the files. Returns the SHA-256 of all frames' raw rgb24 bytes.
  std::string finish();

 private:
  std::unique_ptr<VideoWriter> video_;
  VideoFormat format_;
  Path png_folder_;
  int frames_ = 0;
  Sha256 hash_;
};

}  // namespace wf
