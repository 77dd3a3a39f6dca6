// pipeline/video/video_writer.cpp: checks of a format, and the choice of the implementation that writes or reads it.
#include "pipeline/video/video_writer.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "base/error.hpp"
#include "base/text.hpp"
#include "pipeline/video/libav_video.hpp"
#include "pipeline/video/y4m.hpp"

namespace wf {
namespace {

bool is_libx26x(VideoCodec codec) { return codec == VideoCodec::h264 || codec == VideoCodec::hevc; }

bool can_write(VideoCodec codec) { return codec == VideoCodec::y4m || libav_can_write(codec); }

void check_codec(VideoCodec codec) {
  if (can_write(codec)) return;
  std::vector<std::string> writable;
  for (const VideoCodec known : all_codecs)
    if (can_write(known)) writable.emplace_back(to_string(known));
  throw Error(Error::input, std::string("codec: this build cannot write ") + to_string(codec) + "; it can write " +
                                join(writable, ", "));
}

void check_preset(const std::string& preset) {
  if (std::ranges::count(encoder_presets(), preset) > 0) return;
  throw Error(Error::input, "preset: there is no " + preset + "; there are " + join(encoder_presets(), ", "));
}

void check_size(const VideoFormat& format) {
  const std::string size = std::to_string(format.width) + "x" + std::to_string(format.height);
  if (format.width <= 0 || format.height <= 0) throw Error(Error::input, "size: a video cannot be " + size);
  if (is_libx26x(format.codec) && (format.width % 2 || format.height % 2))
    throw Error(Error::input,
                std::string("size: ") + to_string(format.codec) + " needs an even width and height, got " + size);
  if (format.fps <= 0) throw Error(Error::input, "fps must be at least 1, got " + std::to_string(format.fps));
}

}  // namespace

std::string file_ending(VideoCodec codec) {
  if (codec == VideoCodec::ffv1) return "mkv";
  return is_libx26x(codec) ? "mp4" : "y4m";
}

const std::vector<std::string>& encoder_presets() {
  static const std::vector<std::string> presets{"ultrafast", "superfast", "veryfast", "faster",   "fast",
                                                "medium",    "slow",      "slower",   "veryslow", "placebo"};
  return presets;
}

bool can_read(VideoCodec codec) { return codec == VideoCodec::y4m || libav_can_read(codec); }

VideoCodec default_codec() { return have_ffmpeg() ? VideoCodec::h264 : VideoCodec::y4m; }

void check_format(const VideoFormat& format) {
  check_codec(format.codec);
  check_size(format);
  if (!is_libx26x(format.codec)) return;
  check_preset(format.preset);
  if (format.crf < 0 || format.crf > 51)
    throw Error(Error::input, "crf must be between 0 (best) and 51, got " + std::to_string(format.crf));
}

std::unique_ptr<VideoWriter> open_video(const Path& file, const VideoFormat& format) {
  check_format(format);
  return format.codec == VideoCodec::y4m ? open_y4m_writer(file, format) : open_libav_writer(file, format);
}

std::unique_ptr<VideoReader> read_video(const Path& file) {
  return is_y4m444(file) ? open_y4m_reader(file) : open_libav_reader(file);
}

}  // namespace wf
