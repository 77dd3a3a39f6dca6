// pipeline/video/libav.cpp: see libav.hpp
#include "pipeline/video/libav.hpp"

extern "C" {
#include <libavutil/imgutils.h>
#include <libavutil/log.h>
}

#include <array>
#include <mutex>
#include <string_view>
#include <utility>

#include "base/log.hpp"

namespace wf::libav {
namespace {

std::string error_text(int code) {
  std::array<char, AV_ERROR_MAX_STRING_SIZE> text{};
  av_strerror(code, text.data(), text.size());
  return text.data();
}

thread_local std::string last_error_line;

/// The log callback of libav, which calls it from its own threads, too. Level info is statistics of the encoders, a
/// dozen lines for each clip.
void log_line(void* source, int level, const char* format, va_list arguments) {
  const bool is_error = level <= AV_LOG_ERROR;
  const auto ours = level <= AV_LOG_WARNING ? spdlog::level::debug : spdlog::level::trace;
  if (!is_error && (level > AV_LOG_INFO || !spdlog::should_log(ours))) return;
  std::array<char, 1024> text{};
  thread_local int print_prefix = 1;
  av_log_format_line2(source, level, format, arguments, text.data(), text.size(), &print_prefix);
  std::string_view line = text.data();
  line = line.substr(0, line.find_last_not_of("\r\n") + 1);
  if (line.empty()) return;
  spdlog::log(ours, "FFmpeg: {}", line);
  if (is_error) last_error_line = line;
}

}  // namespace

int check(int code, Error::Kind kind, const Path& file, const std::string& what) {
  if (code >= 0) return code;
  const bool out_of_memory = code == AVERROR(ENOMEM) && kind != Error::input;  // a broken file may ask for any amount
  throw Error(out_of_memory ? Error::resource : kind, file.string() + ": " + what + ": " + error_text(code));
}

Frame make_frame(int width, int height, AVPixelFormat format) {
  Frame frame = owned<Frame>(av_frame_alloc());
  frame->width = width;
  frame->height = height;
  frame->format = format;
  if (av_frame_get_buffer(frame.get(), 0) < 0) throw Error(Error::resource, "FFmpeg: no memory for a frame");
  return frame;
}

void copy_in(std::span<const std::uint8_t> rgb, AVFrame& frame) {
  const int row = 3 * frame.width;
  av_image_copy_plane(frame.data[0], frame.linesize[0], rgb.data(), row, row, frame.height);
}

void copy_out(const AVFrame& frame, std::span<std::uint8_t> rgb) {
  const int row = 3 * frame.width;
  av_image_copy_plane(rgb.data(), row, frame.data[0], frame.linesize[0], row, frame.height);
}

std::string url(const Path& file) { return "file:" + file.string(); }

void route_log() {
  static std::once_flag routed;
  std::call_once(routed, [] { av_log_set_callback(log_line); });
}

std::string take_error_line() { return std::exchange(last_error_line, {}); }

}  // namespace wf::libav
