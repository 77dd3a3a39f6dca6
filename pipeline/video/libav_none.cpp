// pipeline/video/libav_none.cpp: the functions of libav_video.hpp in a build without FFmpeg (WF_FFMPEG=OFF).
#include "base/error.hpp"
#include "pipeline/video/libav_video.hpp"

namespace wf {
namespace {

[[noreturn]] void refuse(const Path& file) {
  throw Error(Error::input,
              file.string() +
                  ": this program was built without FFmpeg and knows only Y4M video (4:4:4, limited range); " +
                  "build it with -DWF_FFMPEG=ON, or convert with: ffmpeg -i FILE -pix_fmt yuv444p FILE.y4m");
}

}  // namespace

bool have_ffmpeg() noexcept { return false; }

bool libav_can_write(VideoCodec) { return false; }
bool libav_can_read(VideoCodec) { return false; }

bool libav_can_write_jpeg() { return false; }
std::string libav_jpeg(const Picture&) { refuse("JPEG"); }

std::unique_ptr<VideoWriter> open_libav_writer(const Path& file, const VideoFormat&) { refuse(file); }

std::unique_ptr<VideoReader> open_libav_reader(const Path& file) { refuse(file); }

}  // namespace wf
