#include "pipeline/stages/write_video.hpp"

#include <ATen/ATen.h>
#include <spdlog/fmt/fmt.h>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/trace.hpp"

namespace wf {
namespace {

/// Calls of append() whose frames may wait: at 1280x720 they hold 33 MB.
constexpr std::size_t max_waiting = 3;

}  // namespace

FrameWriter::FrameWriter(const Path& video, const VideoFormat& format, const Path& png_folder,
                         std::optional<int> sheet_frames)
    : video_(open_video(video, format)), format_(format), png_folder_(png_folder), background_("writing", max_waiting) {
  if (!png_folder_.empty()) make_folder(png_folder_);
  if (sheet_frames) sheet_.emplace(PictureSize{format.width, format.height}, *sheet_frames);
}

void FrameWriter::append(const Frames& frames) {
  background_.put([this, frames] { write(frames); });
}

void FrameWriter::write(const Frames& frames) {
  const trace::Span span("write", "frames");
  const auto bytes = static_cast<std::size_t>(frames.rgb.numel());
  const std::span<const std::uint8_t> rgb(frames.rgb.const_data_ptr<std::uint8_t>(), bytes);
  hash_.update(rgb.data(), rgb.size());
  video_->append(rgb);
  const std::size_t frame_bytes = bytes / static_cast<std::size_t>(frames.rgb.size(0));
  for (std::size_t at = 0; at < bytes; at += frame_bytes) {
    ++frames_;
    if (sheet_) sheet_->add(rgb.subspan(at, frame_bytes));
    if (!png_folder_.empty())
      write_png(png_folder_ / fmt::format("{:05}.png", frames_), rgb.subspan(at, frame_bytes), format_.width,
                format_.height);
  }
}

void FrameWriter::make_sheet() {
  if (!sheet_) return;
  try {
    sheet_bytes_ = to_small_file(sheet_->picture());
  } catch (const Error& error) {
    spdlog::warn("the clip has no contact sheet: {}", error.what());
  }
}

std::string FrameWriter::finish() {
  background_.put([this] {
    const trace::Span span("write", "end of file");
    video_->finish();
    make_sheet();
  });
  background_.finish();
  return hash_.hex();
}

}  // namespace wf
