// pipeline/video/libav.hpp: owning handles for libav (the libraries of FFmpeg), its error codes as Errors, and its log
// lines in our log.
#pragma once

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libswscale/swscale.h>
}

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/error.hpp"
#include "base/files.hpp"

namespace wf::libav {

/// Deleter of all handles but containers.
struct Release {
  void operator()(AVCodecContext* codec) const noexcept { avcodec_free_context(&codec); }
  void operator()(AVFrame* frame) const noexcept { av_frame_free(&frame); }
  void operator()(AVPacket* packet) const noexcept { av_packet_free(&packet); }
  void operator()(SwsContext* scaler) const noexcept { sws_freeContext(scaler); }
};
using Codec = std::unique_ptr<AVCodecContext, Release>;
using Frame = std::unique_ptr<AVFrame, Release>;
using Packet = std::unique_ptr<AVPacket, Release>;
using Scaler = std::unique_ptr<SwsContext, Release>;

/// Deleter of a container that is being read.
struct CloseInput {
  void operator()(AVFormatContext* container) const noexcept { avformat_close_input(&container); }
};
using Input = std::unique_ptr<AVFormatContext, CloseInput>;

/// Deleter of a container that is being written; closes its file, too.
struct CloseOutput {
  void operator()(AVFormatContext* container) const noexcept {
    avio_closep(&container->pb);
    avformat_free_context(container);
  }
};
using Output = std::unique_ptr<AVFormatContext, CloseOutput>;

/// Returns `code` unless it is negative; then throws an Error of `kind`: "FILE: WHAT: libav's error text". Out of
/// memory becomes `resource`, unless `kind` is input, since a broken file may ask for any amount.
int check(int code, Error::Kind kind, const Path& file, const std::string& what);

/// Takes ownership of `raw`. Throws resource when it is null, which means that libav had no memory.
template <class Handle>
Handle owned(typename Handle::pointer raw) {
  if (!raw) throw Error(Error::resource, "FFmpeg: out of memory");
  return Handle(raw);
}

/// A new frame of width x height pixels with its own memory, aligned for libav's assembly code. Throws resource.
Frame make_frame(int width, int height, AVPixelFormat format);

/// Copies packed rgb24 bytes (height * width * 3) into a frame of format rgb24, whose rows may be padded.
void copy_in(std::span<const std::uint8_t> rgb, AVFrame& frame);
/// Copies a frame of format rgb24 into packed bytes (height * width * 3).
void copy_out(const AVFrame& frame, std::span<std::uint8_t> rgb);

/// The file as a URL for libav: "file:NAME", so that a colon in the name is not taken for a protocol.
std::string url(const Path& file);

/// Sends libav's log lines to our log instead of the terminal, for the whole process: warnings and errors at level
/// debug, information at level trace. Safe to call again and from any thread.
void route_log();

/// Returns and clears the last line of level error or worse that libav has logged on this thread; empty if there was
/// none.
std::string take_error_line();

}  // namespace wf::libav
