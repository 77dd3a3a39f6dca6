// pipeline/stages/write_video.hpp: frames become the clip's files: the video, its contact sheet, and PNG files if
// wanted.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/background.hpp"
#include "base/sha256.hpp"
#include "pipeline/types.hpp"
#include "pipeline/video/contact_sheet.hpp"
#include "pipeline/video/video_writer.hpp"

namespace wf {

/// Encodes frames into a video file and, unless `png_folder` is empty, into numbered PNG files, and hashes them. A
/// background thread does all this in the order of the frames, while the next ones are computed. append() and finish()
/// are called by one thread at a time. Destruction without finish() drops the frames that still wait and leaves the
/// files incomplete but closed.
class FrameWriter {
 public:
  /// Opens the video file and makes the PNG folder. sheet_frames: of how many frames a contact sheet is wanted; empty:
  /// none is. Throws storage naming the file, and what open_video() throws.
  FrameWriter(const Path& video, const VideoFormat& format, const Path& png_folder,
              std::optional<int> sheet_frames = {});
  /// Queues frames of the format's size. Their memory is shared, not copied, so it must not change any more. Blocks
  /// while the frames of three earlier calls wait. Throws the error of an earlier frame.
  void append(const Frames& frames);
  /// Completes the files and returns the SHA-256 of all frames' raw rgb24 bytes. Throws the error of any frame; only a
  /// sheet that cannot be made is no more than a warning.
  std::string finish();
  /// After finish(): the bytes of the contact sheet as a file (to_small_file()); empty: there is none.
  std::string take_sheet() { return std::move(sheet_bytes_); }

 private:
  void write(const Frames& frames);
  void make_sheet();

  std::unique_ptr<VideoWriter> video_;
  VideoFormat format_;
  Path png_folder_;
  std::optional<ContactSheet> sheet_;
  std::string sheet_bytes_;
  int frames_ = 0;
  Sha256 hash_;
  Background background_;  ///< declared last, so that its tasks end before the members that they use
};

}  // namespace wf
