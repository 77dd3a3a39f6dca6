#include "launcher/preview/frames.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "jobs/output/publish.hpp"
#include "jobs/record/shards.hpp"
#include "pipeline/video/contact_sheet.hpp"
#include "pipeline/video/video_writer.hpp"

namespace wf {
namespace {

/// All in the size of the poster.
std::vector<Picture> frames_of_sheet(const Picture& sheet, PictureSize clip) {
  const SheetLayout layout = sheet_layout(clip);
  if (sheet.size != layout.size) throw Error(Error::input, "is not the contact sheet of the clip");
  std::vector<Picture> frames;
  for (const std::size_t i : {1, 0, 2, 3}) {  // the poster comes after the first frame
    const Picture frame = cut(sheet, layout.areas[i]);
    frames.push_back(scaled(frame.rgb, frame.size, layout.areas[0].size));
  }
  return frames;
}

/// A picture from a file: for libav a video of one frame.
Picture read_picture(const Path& file) {
  const auto reader = read_video(file);
  Picture picture({reader->info().width, reader->info().height});
  if (!reader->next(picture.rgb)) throw Error(Error::input, file.string() + ": has no picture in it");
  return picture;
}

PictureSize size_of_video(const Path& video) {
  const VideoInfo info = read_video(video)->info();
  return {info.width, info.height};
}

}  // namespace

std::vector<Picture> frames_of_video(const Path& video) {
  return frames_of_sheet(contact_sheet(video), size_of_video(video));
}

std::vector<Picture> frames_of_clip(const Path& output, const ClipHistory& clip) {
  const PictureSize size{clip.clip.job.width, clip.clip.job.height};
  const Path kept = OutputFolder(folder_of(output, clip)).contact_sheet(clip.clip.fingerprint, small_file_ending());
  try {
    if (std::filesystem::exists(kept) && is_whole_file(read_file(kept)))
      return frames_of_sheet(read_picture(kept), size);
  } catch (const Error& error) {
    spdlog::debug("{}: {}; its video is read instead", clip.clip.job.name, error.what());
  }
  return frames_of_sheet(contact_sheet(output / clip.file, clip.clip.job.frames), size);
}

}  // namespace wf
