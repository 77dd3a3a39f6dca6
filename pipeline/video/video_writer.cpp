// pipeline/video/video_writer.cpp: which codec there is, what it can be asked for, and who reads or writes it.
#include "pipeline/video/video_writer.hpp"

#include <algorithm>
#include <array>

#include "cluster/error.hpp"
#include "pipeline/video/libav_video.hpp"
#include "pipeline/video/y4m.hpp"

namespace wf {
namespace {

struct Container {
  const char* codec;
  const char* ending;
};
constexpr std::array containers{Container{"h264", "mp4"}, Container{"hevc", "mp4"}, Container{"ffv1", "mkv"},
                                Container{"y4m", "y4m"}};
/// libx264 and libx265 share them.
constexpr std::array presets{"ultrafast", "superfast", "veryfast", "faster",   "fast",
                             "medium",    "slow",      "slower",   "veryslow", "placebo"};

bool is_libx26x(const std::string& codec) { return codec == "h264" || codec == "hevc"; }

bool can_write(const std::string& codec) { return codec == "y4m" || libav_can_write(codec); }

std::string join(const std::string& list, const std::string& word) { return list.empty() ? word : list + ", " + word; }

void check_codec(const std::string& codec) {
  std::string writable;
  for (const Container& known : containers) {
    if (!can_write(known.codec)) continue;
    if (codec == known.codec) return;
    writable = join(writable, known.codec);
  }
  throw Error(Error::input, "codec: this build cannot write " + codec + "; it can write " + writable);
}

void check_preset(const std::string& preset) {
  if (std::find(presets.begin(), presets.end(), preset) != presets.end()) return;
  std::string known;
  for (const char* name : presets) known = join(known, name);
  throw Error(Error::input, "preset: there is no " + preset + "; there are " + known);
}

void check_size(const VideoFormat& format) {
  const std::string size = std::to_string(format.width) + "x" + std::to_string(format.height);
  if (format.width <= 0 || format.height <= 0) throw Error(Error::input, "size: a video cannot be " + size);
  if (is_libx26x(format.codec) && (format.width % 2 || format.height % 2))
    throw Error(Error::input, "size: " + format.codec + " needs an even width and height, got " + size);
  if (format.fps <= 0) throw Error(Error::input, "fps must be at least 1, got " + std::to_string(format.fps));
}

}  // namespace

std::string file_ending(const std::string& codec) {
  for (const Container& known : containers) {
    if (codec == known.codec) return known.ending;
  }
  throw Error(Error::input, "codec: there is no " + codec + "; there are h264, hevc, ffv1, y4m");
}

std::string default_codec() { return have_ffmpeg() ? "h264" : "y4m"; }

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
  return format.codec == "y4m" ? open_y4m_writer(file, format) : open_libav_writer(file, format);
}

std::unique_ptr<VideoReader> read_video(const Path& file) {
  return is_y4m444(file) ? open_y4m_reader(file) : open_libav_reader(file);
}

}  // namespace wf
