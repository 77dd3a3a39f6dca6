// pipeline/video/libav_reader.cpp: decodes the first video stream of a container to rgb24. Missing or damaged data is
// an error, where a player would go on.

#include "base/check.hpp"
#include "pipeline/video/libav.hpp"
#include "pipeline/video/libav_video.hpp"

namespace wf {
namespace {

libav::Input open_container(const Path& file) {
  AVFormatContext* raw = nullptr;
  const char* what = "cannot be read as a video";
  libav::check(avformat_open_input(&raw, libav::url(file).c_str(), nullptr, nullptr), Error::input, file, what);
  libav::Input container(raw);
  libav::check(avformat_find_stream_info(raw, nullptr), Error::input, file, what);
  return container;
}

const AVStream& find_video(const AVFormatContext& container, const Path& file) {
  for (unsigned i = 0; i < container.nb_streams; ++i) {
    if (container.streams[i]->codecpar->codec_type == AVMEDIA_TYPE_VIDEO) return *container.streams[i];
  }
  throw Error(Error::input, file.string() + ": has no video in it");
}

libav::Codec open_decoder(const AVStream& stream, const Path& file) {
  const AVCodec* decoder = avcodec_find_decoder(stream.codecpar->codec_id);
  if (!decoder)
    throw Error(Error::input,
                file.string() + ": this FFmpeg has no decoder for " + avcodec_get_name(stream.codecpar->codec_id));
  auto codec = libav::owned<libav::Codec>(avcodec_alloc_context3(decoder));
  codec->err_recognition = AV_EF_CRCCHECK | AV_EF_BITSTREAM | AV_EF_BUFFER | AV_EF_EXPLODE;
  libav::check(avcodec_parameters_to_context(codec.get(), stream.codecpar), Error::input, file, "cannot be decoded");
  libav::check(avcodec_open2(codec.get(), decoder, nullptr), Error::input, file, "cannot be decoded");
  return codec;
}

/// A converter from the picture's pixel format to rgb24 that interpolates chroma and rounds only at the end. Matrix and
/// range are those that the file names, or BT.601 and limited as in the ffmpeg program. Many players guess BT.709 for
/// an untagged file of 720 lines or more; we do not guess, so that the same samples are the same colours at any size.
libav::Scaler make_scaler(const AVFrame& picture, const Path& file) {
  constexpr int flags = SWS_BICUBIC | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP | SWS_ACCURATE_RND;
  const int width = picture.width, height = picture.height;
  libav::Scaler scaler(sws_getContext(width, height, static_cast<AVPixelFormat>(picture.format), width, height,
                                      AV_PIX_FMT_RGB24, flags, nullptr, nullptr, nullptr));
  if (!scaler) throw Error(Error::input, file.string() + ": has pixels that FFmpeg cannot turn into RGB");
  const int* matrix = sws_getCoefficients(picture.colorspace);
  const int full_range = picture.color_range == AVCOL_RANGE_JPEG, one = 1 << 16;
  sws_setColorspaceDetails(scaler.get(), matrix, full_range, matrix, 1, 0, one, one);
  return scaler;
}

/// The number of frames according to the container, or 0 if that does not give it.
std::int64_t declared_frames(const AVFormatContext& container, const AVStream& stream) {
  if (stream.nb_frames > 0) return stream.nb_frames;
  const bool known = container.duration != AV_NOPTS_VALUE && stream.avg_frame_rate.num > 0;
  if (!known || container.nb_streams > 1) return 0;  // another stream may last longer
  return av_rescale_q(container.duration, AV_TIME_BASE_Q, av_inv_q(stream.avg_frame_rate));
}

VideoInfo describe(const AVFormatContext& container, const AVStream& stream, const Path& file) {
  if (stream.codecpar->width <= 0 || stream.codecpar->height <= 0)
    throw Error(Error::input, file.string() + ": does not say how large its pictures are");
  const AVDictionaryEntry* comment = av_dict_get(container.metadata, "comment", nullptr, 0);
  return {.width = stream.codecpar->width,
          .height = stream.codecpar->height,
          .fps = av_q2d(stream.avg_frame_rate),
          .codec = avcodec_get_name(stream.codecpar->codec_id),
          .comment = comment ? comment->value : ""};
}

class LibavReader : public VideoReader {
 public:
  explicit LibavReader(const Path& file)
      : file_(file),
        container_(open_container(file)),
        stream_(find_video(*container_, file)),
        codec_(open_decoder(stream_, file)),
        info_(describe(*container_, stream_, file)),
        rgb_(libav::make_frame(info_.width, info_.height, AV_PIX_FMT_RGB24)),
        picture_(libav::owned<libav::Frame>(av_frame_alloc())),
        packet_(libav::owned<libav::Packet>(av_packet_alloc())) {}

  const VideoInfo& info() const override { return info_; }

  bool next(std::span<std::uint8_t> rgb) override {
    WF_CHECK(rgb.size() == std::size_t{3} * info_.width * info_.height);
    libav::take_error_line();  // drops lines about earlier pictures
    if (!decode()) {
      if (frames_ < declared_frames(*container_, stream_)) fail("ends too early");
      return false;
    }
    prepare_scaler();
    sws_scale(scaler_.get(), picture_->data, picture_->linesize, 0, picture_->height, rgb_->data, rgb_->linesize);
    libav::copy_out(*rgb_, rgb);
    ++frames_;
    return true;
  }

 private:
  /// Makes the scaler for the first picture; later pictures must have the same size and pixel format.
  void prepare_scaler() {
    if (picture_->width != info_.width || picture_->height != info_.height) fail("changes its size");
    if (scaler_ && picture_->format != pixels_) fail("changes its pixel format");
    if (scaler_) return;
    scaler_ = make_scaler(*picture_, file_);
    pixels_ = picture_->format;
  }

  /// Decodes the next picture into picture_; returns false at the end of the stream.
  bool decode() {
    for (;;) {
      const int code = avcodec_receive_frame(codec_.get(), picture_.get());
      if (code == AVERROR_EOF) return false;
      if (code != AVERROR(EAGAIN)) {
        check(code);
        check_undamaged();
        return true;
      }
      feed_decoder();
    }
  }

  /// Some decoders conceal errors, mark the picture or only log, and still report success.
  void check_undamaged() const {
    const std::string error = libav::take_error_line();
    if (!error.empty()) fail("is damaged: " + error);
    if (picture_->decode_error_flags || (picture_->flags & AV_FRAME_FLAG_CORRUPT)) fail("is damaged");
  }

  /// Sends the decoder its next packet, or the end of the stream.
  void feed_decoder() {
    for (;;) {
      const int code = av_read_frame(container_.get(), packet_.get());
      if (code == AVERROR_EOF) return send(nullptr);
      check(code);
      if (packet_->stream_index == stream_.index) break;
      av_packet_unref(packet_.get());
    }
    if (packet_->flags & AV_PKT_FLAG_CORRUPT) fail("is damaged or ends too early");
    send(packet_.get());
    av_packet_unref(packet_.get());
  }

  void send(const AVPacket* packet) { check(avcodec_send_packet(codec_.get(), packet)); }

  void check(int code) const { libav::check(code, Error::input, file_, "is damaged" + position()); }
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(Error::input, file_.string() + ": " + what + position());
  }
  std::string position() const { return ", after " + std::to_string(frames_) + " frames"; }

  Path file_;
  libav::Input container_;
  const AVStream& stream_;
  libav::Codec codec_;
  VideoInfo info_;
  libav::Scaler scaler_;  ///< Converts from the pixel format pixels_.
  int pixels_ = AV_PIX_FMT_NONE;
  libav::Frame rgb_, picture_;
  libav::Packet packet_;
  std::int64_t frames_ = 0;
};

}  // namespace

bool libav_can_read(VideoCodec codec) {
  constexpr AVCodecID ids[] = {AV_CODEC_ID_H264, AV_CODEC_ID_HEVC, AV_CODEC_ID_FFV1};
  return avcodec_find_decoder(ids[static_cast<std::size_t>(codec)]) != nullptr;
}

std::unique_ptr<VideoReader> open_libav_reader(const Path& file) {
  libav::route_log();
  return std::make_unique<LibavReader>(file);
}

}  // namespace wf
