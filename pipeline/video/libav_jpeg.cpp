// pipeline/video/libav_jpeg.cpp: pictures as JPEG by libav's encoder.
#include "pipeline/video/libav.hpp"
#include "pipeline/video/libav_video.hpp"

namespace wf {
namespace {

constexpr int quality = 4;  ///< FFmpeg's scale, on which 2 is best and 31 is worst: 25 kB for a sheet of real frames.

int check(int code) { return libav::check(code, Error::resource, "JPEG", "cannot be encoded"); }

libav::Codec open_encoder(PictureSize size) {
  const AVCodec* const encoder = avcodec_find_encoder(AV_CODEC_ID_MJPEG);
  auto codec = libav::owned<libav::Codec>(avcodec_alloc_context3(encoder));
  codec->width = size.width;
  codec->height = size.height;
  codec->pix_fmt = AV_PIX_FMT_YUVJ420P;
  codec->time_base = {1, 1};
  codec->thread_count = 1;
  codec->flags |= AV_CODEC_FLAG_QSCALE | AV_CODEC_FLAG_BITEXACT;
  codec->global_quality = FF_QP2LAMBDA * quality;
  check(avcodec_open2(codec.get(), encoder, nullptr));
  return codec;
}

/// JPEG is YUV of full range by the matrix of BT.601. The encoder calls that YUVJ; to swscale, which warns of that
/// name, it is YUV whose range is set.
libav::Frame to_yuv(const Picture& picture) {
  const auto [width, height] = picture.size;
  libav::Frame rgb = libav::make_frame(width, height, AV_PIX_FMT_RGB24);
  libav::Frame yuv = libav::make_frame(width, height, AV_PIX_FMT_YUVJ420P);
  libav::copy_in(picture.rgb, *rgb);
  constexpr int flags = SWS_BICUBIC | SWS_FULL_CHR_H_INP | SWS_ACCURATE_RND;
  constexpr int full_range = 1, one = 1 << 16;
  const auto scaler = libav::owned<libav::Scaler>(sws_getContext(width, height, AV_PIX_FMT_RGB24, width, height,
                                                                 AV_PIX_FMT_YUV420P, flags, nullptr, nullptr, nullptr));
  const int* const matrix = sws_getCoefficients(SWS_CS_ITU601);
  sws_setColorspaceDetails(scaler.get(), matrix, full_range, matrix, full_range, 0, one, one);
  sws_scale(scaler.get(), rgb->data, rgb->linesize, 0, height, yuv->data, yuv->linesize);
  yuv->quality = FF_QP2LAMBDA * quality;
  yuv->pts = 0;
  return yuv;
}

}  // namespace

bool libav_can_write_jpeg() { return avcodec_find_encoder(AV_CODEC_ID_MJPEG) != nullptr; }

std::string libav_jpeg(const Picture& picture) {
  libav::route_log();
  const libav::Codec codec = open_encoder(picture.size);
  const libav::Frame yuv = to_yuv(picture);
  const auto packet = libav::owned<libav::Packet>(av_packet_alloc());
  check(avcodec_send_frame(codec.get(), yuv.get()));
  check(avcodec_receive_packet(codec.get(), packet.get()));
  return {reinterpret_cast<const char*>(packet->data), static_cast<std::size_t>(packet->size)};
}

}  // namespace wf
