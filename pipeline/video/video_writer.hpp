// pipeline/video/video_writer.hpp: writing and reading video files frame by frame, and writing PNG files. Frames are
// packed rgb24: 3 bytes (R, G, B; sRGB, 0..255) per pixel, rows from the top without gaps, [frames, height, width, 3].
// No torch header. Every Error's message begins with the file's path, or with the name of the wrong setting.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/files.hpp"

namespace wf {

/// The codecs: H.264 by libx264, HEVC by libx265, lossless FFV1, and uncompressed YUV4MPEG2 (y4m.hpp). y4m is in every
/// build, the others need FFmpeg.
enum class VideoCodec { h264, hevc, ffv1, y4m };
inline constexpr std::array all_codecs{VideoCodec::h264, VideoCodec::hevc, VideoCodec::ffv1, VideoCodec::y4m};
/// The name of a codec on the command line and in sidecars: "h264", "hevc", "ffv1", "y4m".
constexpr const char* to_string(VideoCodec codec) {
  constexpr std::array names{"h264", "hevc", "ffv1", "y4m"};
  return names[static_cast<std::size_t>(codec)];
}

/// How h264, hevc and y4m turn the frames' RGB into YUV: the matrix of ITU-R BT.709, which players expect of HD video,
/// or of BT.601, which the official save_video() uses without saying so. Samples have limited range (16..235 for luma).
/// h264 and hevc name matrix, primaries, transfer and range in the bitstream and in the container, so that a reader
/// gets the frames' colours back. The frames are sRGB, so the primaries are those of BT.709 with either matrix.
enum class ColorMatrix { bt709, bt601 };
inline constexpr std::array all_color_matrices{ColorMatrix::bt709, ColorMatrix::bt601};
/// The name of a matrix on the command line: "bt709", "bt601".
constexpr const char* to_string(ColorMatrix matrix) {
  constexpr std::array names{"bt709", "bt601"};
  return names[static_cast<std::size_t>(matrix)];
}

/// How a video is encoded. Codec and quality are by default those of the official save_video(): libx264, crf 10, preset
/// medium, yuv420p.
struct VideoFormat {
  int width, height;  ///< In pixels; even for h264 and hevc.
  int fps;            ///< Frames per second.
  VideoCodec codec = VideoCodec::h264;
  int crf = 10;                   ///< Constant rate factor of h264 and hevc, 0 (best) to 51; ignored by ffv1 and y4m.
  std::string preset = "medium";  ///< Preset of libx264 and libx265, "ultrafast" to "placebo"; ignored by the others.
  ColorMatrix color = ColorMatrix::bt709;  ///< ffv1 keeps RGB and needs none.
  std::string comment = {};                ///< UTF-8 metadata, the whole job as JSON; left out by y4m.
};

/// The file name ending without a dot: mp4 for h264 and hevc, mkv for ffv1, y4m for y4m.
std::string file_ending(VideoCodec codec);
/// Whether this build contains FFmpeg. Without it y4m is the only codec.
bool have_ffmpeg() noexcept;
/// Whether read_video() gives back the very bytes that were written: true for ffv1.
constexpr bool is_lossless(VideoCodec codec) { return codec == VideoCodec::ffv1; }
/// Whether this build can decode what it, or another build, encoded with `codec`.
bool can_read(VideoCodec codec);
/// The codec that `--codec auto` stands for: h264, or y4m in a build without FFmpeg.
VideoCodec default_codec();
/// The presets of libx264 and libx265, from the fastest to the smallest files.
const std::vector<std::string>& encoder_presets();
/// Checks that this build can write the format. Throws input for a codec or preset that it lacks (listing those it
/// has), a size that is not positive or, for h264 and hevc, odd, an fps below 1, and a crf outside 0..51.
void check_format(const VideoFormat& format);

/// A video file being written. One thread at a time may use a writer; several writers may work concurrently.
class VideoWriter {
 public:
  /// Closes the file. Without finish() it stays behind incomplete.
  virtual ~VideoWriter() = default;
  /// Encodes k >= 0 whole frames of height * width * 3 bytes each. How frames are divided into calls does not change
  /// the file. Throws storage when the file cannot be written.
  virtual void append(std::span<const std::uint8_t> rgb) = 0;
  /// Encodes what the encoder has buffered, completes the file and closes it; must be the last call. Throws storage.
  virtual void finish() = 0;
};

/// Creates the video file; its name may have any ending, since the container follows from the codec. The result depends
/// on frames and format only (no timestamps, a fixed number of encoder threads), but libx264's bytes may still vary
/// slightly with what the process did before: to identify a clip, hash its frames (frames_sha256 in the sidecar).
/// Throws input as check_format() does, storage when the file cannot be created.
std::unique_ptr<VideoWriter> open_video(const Path& file, const VideoFormat& format);

/// Writes one frame of height * width * 3 bytes as a PNG file (8-bit truecolour), atomically as write_file() does.
/// Throws storage.
void write_png(const Path& file, std::span<const std::uint8_t> rgb, int width, int height);

/// What the header of a video file says.
struct VideoInfo {
  int width = 0, height = 0;  ///< In pixels.
  double fps = 0;             ///< Average frames per second.
  std::string codec = {};     ///< FFmpeg's name of the codec; "y4m" for a file that is read without FFmpeg.
  std::string comment = {};   ///< The comment of the metadata, empty if there is none.
};

/// A video file being read frame by frame. One thread at a time.
class VideoReader {
 public:
  virtual ~VideoReader() = default;
  virtual const VideoInfo& info() const = 0;
  /// Fills `rgb` (height * width * 3 bytes) with the next frame, or returns false at the end of the video. Throws input
  /// when the file is damaged, truncated, or changes its size or pixel format.
  virtual bool next(std::span<std::uint8_t> rgb) = 0;
};

/// Opens a video file: Y4M of our layout (y4m.hpp) in every build, with FFmpeg also whatever that can decode. YUV is
/// converted to RGB as the file's tags say; a file without tags is taken for BT.601 of limited range, as the ffmpeg
/// program does and as wanfarm wrote files before it tagged them. Throws input when the file is missing or is no video
/// that this build can read.
std::unique_ptr<VideoReader> read_video(const Path& file);

}  // namespace wf
