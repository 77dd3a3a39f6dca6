// pipeline/write_video.hpp: frames become the clip's files: the video, and PNGs where they are wanted.
#pragma once

#include <memory>
#include <string>

#include "cluster/background.hpp"
#include "cluster/sha256.hpp"
#include "pipeline/types.hpp"
#include "pipeline/video/video_writer.hpp"

namespace wf {

/// Passes frames on to a video file and, when `png_folder` is not empty, to numbered PNG files, hashing them on the
/// way. A thread of its own does that, in order, while the next frames are computed.
/// Destruction without finish() leaves the files as they are, closed.
class FrameWriter {
 public:
  FrameWriter(const Path& video, const VideoFormat& format, const Path& png_folder);
  /// The frames are shared, not copied: nobody may change them any more. Blocks while the frames of three calls wait.
  /// Throws what went wrong with earlier ones.
  void append(const Frames& frames);
  /// Completes the files. Returns the SHA-256 of all frames' raw rgb24 bytes. Throws what went wrong with any frame.
  std::string finish();

 private:
  void write(const Frames& frames);

  std::unique_ptr<VideoWriter> video_;
  VideoFormat format_;
  Path png_folder_;
  int frames_ = 0;
  Sha256 hash_;
  Background background_;  ///< last, for its tasks use the others
};

}  // namespace wf
