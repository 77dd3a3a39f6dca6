#include "pipeline/video/contact_sheet.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/check.hpp"
#include "base/error.hpp"
#include "pipeline/video/video_writer.hpp"

namespace wf {
namespace {

constexpr int longer_side = 106;  ///< Of the three frames; the poster's is three times as long.

PictureSize small_size(PictureSize clip) {
  const double scale = static_cast<double>(longer_side) / std::max(clip.width, clip.height);
  const auto side = [scale](int pixels) { return std::max(1, static_cast<int>(std::lround(scale * pixels))); };
  return {side(clip.width), side(clip.height)};
}

/// Calls take(frame) with each frame of the video, and returns their number.
template <class Take>
int for_each_frame(const Path& video, Take&& take) {
  const auto reader = read_video(video);
  const PictureSize size{reader->info().width, reader->info().height};
  Picture frame(size);
  int frames = 0;
  for (; reader->next(frame.rgb); ++frames) take(frame);
  if (frames == 0) throw Error(Error::input, video.string() + ": has no frames");
  return frames;
}

}  // namespace

SheetLayout sheet_layout(PictureSize clip) {
  const auto [width, height] = small_size(clip);
  const PictureSize poster{3 * width, 3 * height};
  SheetLayout layout;
  layout.below = 3 * clip.width >= 4 * clip.height;
  layout.size = layout.below ? PictureSize{poster.width, 4 * height} : PictureSize{4 * width, poster.height};
  layout.areas[0] = {0, 0, poster};
  for (int i = 0; i < 3; ++i) {
    const int x = layout.below ? i * width : poster.width, y = layout.below ? poster.height : i * height;
    layout.areas[static_cast<std::size_t>(i) + 1] = {x, y, {width, height}};
  }
  return layout;
}

std::array<int, 4> sheet_frames(int frames) { return {frames / 3, 0, (frames - 1) / 2, frames - 1}; }

ContactSheet::ContactSheet(PictureSize clip, int frames)
    : clip_(clip), layout_(sheet_layout(clip)), shown_(sheet_frames(frames)), picture_(layout_.size) {
  WF_CHECK(frames >= 1);
}

void ContactSheet::add(std::span<const std::uint8_t> rgb) {
  for (std::size_t i = 0; i < shown_.size(); ++i) {
    const auto& [x, y, size] = layout_.areas[i];
    if (shown_[i] == next_) paste(scaled(rgb, clip_, size), picture_, x, y);
  }
  ++next_;
}

Picture contact_sheet(const Path& video) {
  return contact_sheet(video, for_each_frame(video, [](const Picture&) {}));
}

Picture contact_sheet(const Path& video, int frames) {
  std::optional<ContactSheet> sheet;
  for_each_frame(video, [&](const Picture& frame) {
    if (!sheet) sheet.emplace(frame.size, frames);
    sheet->add(frame.rgb);
  });
  return sheet->picture();
}

}  // namespace wf
