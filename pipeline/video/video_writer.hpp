// pipeline/video/video_writer.hpp: frames to a video file, as they come. Torch-free: raw sRGB bytes in.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "cluster/files.hpp"

namespace wf {

struct VideoFormat {
  int width, height, fps;
  std::string codec = "h264";  ///< h264 (libx264), hevc (libx265), ffv1 (lossless, .mkv); y4m (in every build)
  int crf = 10;                ///< as the official writer; 0..51, ignored by ffv1 and y4m
  std::string preset = "medium";
  std::string comment = {};  ///< metadata: the whole job as JSON
};

/// mp4 for h264 and hevc, mkv for ffv1, y4m for y4m.
std::string file_ending(const std::string& codec);
/// True in a build with FFmpeg; false: the only codec is y4m.
bool have_ffmpeg() noexcept;
/// The codec that `--codec auto` means: h264, or y4m without FFmpeg.
std::string default_codec();
/// Throws input when this build cannot write the codec or preset (naming those it can), the size, the rate or the crf.
void check_format(const VideoFormat& format);

/// Source of the defaults: the official save_video: libx264, crf 10, yuv420p, default preset, uint8 by truncation.
/// One thread at a time may use a writer; several writers may work side by side.
/// The bytes of an H.264 file are not an identity: libx264's may vary slightly with what the process did before. The
/// frames' hash is one (sidecar: frames_sha256).
class VideoWriter {
 public:
  virtual ~VideoWriter() = default;  ///< an unfinished file is left as it is, closed
  /// rgb: k whole frames of height*width*3 bytes, rows from the top. Throws storage when the file cannot be written.
  virtual void append(std::span<const std::uint8_t> rgb) = 0;
  /// Encodes what is buffered and completes the file. Throws storage.
  virtual void finish() = 0;
};

/// `file` may have any name: the container follows from the codec. The same frames and format make the same bytes.
/// Throws input as check_format does, storage when the file cannot be created.
std::unique_ptr<VideoWriter> open_video(const Path& file, const VideoFormat& format);

/// One frame as a PNG file, complete or not at all. Throws storage.
void write_png(const Path& file, std::span<const std::uint8_t> rgb, int width, int height);

struct VideoInfo {
  int width = 0, height = 0;
  double fps = 0;
  std::string codec = {}, comment = {};
};
/// Reads a video file frame by frame as rgb24: any that libav can decode; y4m as we write it in every build.
class VideoReader {
 public:
  virtual ~VideoReader() = default;
  virtual const VideoInfo& info() const = 0;
  /// Fills rgb (height*width*3 bytes) with the next frame; false at the end. Throws input when the file is broken.
  virtual bool next(std::span<std::uint8_t> rgb) = 0;
};
/// Throws input when the file is missing, or no video that this build can read.
std::unique_ptr<VideoReader> read_video(const Path& file);

}  // namespace wf
