// pipeline/video/libav.hpp: libav's handles as owners, its error codes as our errors, its log lines as ours.
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

#include "cluster/error.hpp"
#include "cluster/files.hpp"

namespace wf::libav {

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

/// A container being read.
struct CloseInput {
  void operator()(AVFormatContext* container) const noexcept { avformat_close_input(&container); }
};
using Input = std::unique_ptr<AVFormatContext, CloseInput>;

/// A container being written, with its file.
struct CloseOutput {
  void operator()(AVFormatContext* container) const noexcept {
    avio_closep(&container->pb);
    avformat_free_context(container);
  }
};
using Output = std::unique_ptr<AVFormatContext, CloseOutput>;

/// Throws Error `kind` as "file: what: libav's own words" when `code` is negative, else returns it. When memory ran out
/// the kind is `resource`, unless the input may be what asked for too much.
int check(int code, Error::Kind kind, const Path& file, const std::string& what);

/// The handle, or an Error `resource` when libav had no memory for it.
template <class Handle>
Handle owned(typename Handle::pointer raw) {
  if (!raw) throw Error(Error::resource, "FFmpeg: out of memory");
  return Handle(raw);
}

/// A frame with memory of its own, aligned as libav's assembly wants it.
Frame make_frame(int width, int height, AVPixelFormat format);

/// Bytes of rows without gaps into a frame of rgb24, and back.
void copy_in(std::span<const std::uint8_t> rgb, AVFrame& frame);
void copy_out(const AVFrame& frame, std::span<std::uint8_t> rgb);

/// The file's name as libav must be told it, so that a colon in it does not make it a protocol.
std::string url(const Path& file);

/// From now on libav's lines go to our log at level debug instead of the terminal. Once per process; any thread.
void route_log();

/// The last line of level error or worse that libav logged in this thread since it was taken last; empty when there was
/// none.
std::string take_complaint();

}  // namespace wf::libav
