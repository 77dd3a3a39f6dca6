// pipeline/video/libav_writer.cpp: encodes frames and writes them into a container. To make the bytes depend on frames
// and format only, there is no timestamp, no random id, and a fixed number of encoder threads (which libx264's result
// depends on).
extern "C" {
#include <libavutil/opt.h>
}

#include "base/check.hpp"
#include "pipeline/video/libav.hpp"
#include "pipeline/video/libav_video.hpp"

namespace wf {
namespace {

constexpr int encoder_threads = 4;

/// How a codec is encoded and stored.
struct EncoderSpec {
  const char* encoder;
  const char* container;
  AVPixelFormat pixels;
  std::uint32_t tag;  ///< FourCC of the codec in the container; 0 means libav's default.
};

/// FFV1 is lossless: it encodes RGB (as bgr0), where the others encode YUV 4:2:0.
EncoderSpec spec_of(VideoCodec codec) {
  if (codec == VideoCodec::h264) return {"libx264", "mp4", AV_PIX_FMT_YUV420P, 0};
  constexpr std::uint32_t hvc1 = MKTAG('h', 'v', 'c', '1');  // the only tag for HEVC that Apple's players accept
  if (codec == VideoCodec::hevc) return {"libx265", "mp4", AV_PIX_FMT_YUV420P, hvc1};
  WF_CHECK(codec == VideoCodec::ffv1);
  return {"ffv1", "matroska", AV_PIX_FMT_BGR0, 0};
}

/// Says in the encoder's context how colours are stored; encoder and container write that into the file.
///
/// Primaries and transfer do not depend on the matrix, for the frames themselves are not converted. The transfer is
/// that of BT.709 (SMPTE 170M's is the same curve), which all players show as sRGB. FFV1 keeps the RGB of full range.
void tag_colours(AVCodecContext& codec, ColorMatrix matrix) {
  codec.color_primaries = AVCOL_PRI_BT709;
  codec.color_trc = AVCOL_TRC_BT709;
  const bool rgb = codec.pix_fmt == AV_PIX_FMT_BGR0;
  codec.color_range = rgb ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
  codec.colorspace = rgb ? AVCOL_SPC_RGB : matrix == ColorMatrix::bt709 ? AVCOL_SPC_BT709 : AVCOL_SPC_SMPTE170M;
  if (codec.colorspace == AVCOL_SPC_SMPTE170M) codec.color_trc = AVCOL_TRC_SMPTE170M;
}

/// Sets a private option of the encoder if it has one of that name.
void set_option(AVCodecContext& codec, const char* name, const std::string& value) {
  if (av_opt_find(codec.priv_data, name, nullptr, 0, 0)) av_opt_set(codec.priv_data, name, value.c_str(), 0);
}

libav::Codec open_encoder(const Path& file, const VideoFormat& format) {
  const EncoderSpec spec = spec_of(format.codec);
  const AVCodec* encoder = avcodec_find_encoder_by_name(spec.encoder);
  auto codec = libav::owned<libav::Codec>(avcodec_alloc_context3(encoder));
  codec->width = format.width;
  codec->height = format.height;
  codec->pix_fmt = spec.pixels;
  codec->time_base = {1, format.fps};
  codec->framerate = {format.fps, 1};
  codec->codec_tag = spec.tag;
  tag_colours(*codec, format.color);
  codec->thread_count = encoder_threads;
  codec->flags |= AV_CODEC_FLAG_GLOBAL_HEADER | AV_CODEC_FLAG_BITEXACT;
  if (codec->codec_id == AV_CODEC_ID_FFV1) codec->level = 3;  // the first version with a checksum in each slice
  set_option(*codec, "crf", std::to_string(format.crf));
  set_option(*codec, "preset", format.preset);
  set_option(*codec, "x265-params", "log-level=none");  // libx265 logs to the terminal, not through libav
  const std::string what = std::string("cannot be encoded as ") + to_string(format.codec);
  libav::check(avcodec_open2(codec.get(), encoder, nullptr), Error::input, file, what);
  return codec;
}

/// Opens the output file and writes the container's header.
libav::Output open_container(const Path& file, const VideoFormat& format, const AVCodecContext& codec) {
  AVFormatContext* raw = nullptr;
  const char* name = spec_of(format.codec).container;
  libav::check(avformat_alloc_output_context2(&raw, nullptr, name, libav::url(file).c_str()), Error::environment, file,
               std::string("this FFmpeg cannot write ") + name);
  libav::Output container(raw);
  container->flags |= AVFMT_FLAG_BITEXACT;
  av_dict_set(&container->metadata, "comment", format.comment.c_str(), 0);
  // Put the index first, so that a browser can start before it has the whole file; Matroska has no such option.
  av_opt_set(container.get(), "movflags", "+faststart", AV_OPT_SEARCH_CHILDREN);
  AVStream* stream = avformat_new_stream(container.get(), nullptr);
  if (!stream) throw Error(Error::resource, file.string() + ": no memory for a video stream");
  stream->time_base = codec.time_base;
  stream->avg_frame_rate = codec.framerate;
  libav::check(avcodec_parameters_from_context(stream->codecpar, &codec), Error::internal, file, "stream");
  libav::check(avio_open(&container->pb, container->url, AVIO_FLAG_WRITE), Error::storage, file, "cannot be created");
  libav::check(avformat_write_header(container.get(), nullptr), Error::storage, file, "cannot be written");
  return container;
}

/// A converter from rgb24 of full range to the encoder's pixel format, with the matrix and the limited range of its
/// tags. It takes chroma from every pixel and rounds only at the end.
libav::Scaler make_scaler(const AVCodecContext& codec) {
  constexpr int flags = SWS_BICUBIC | SWS_FULL_CHR_H_INP | SWS_ACCURATE_RND;
  auto scaler =
      libav::owned<libav::Scaler>(sws_getContext(codec.width, codec.height, AV_PIX_FMT_RGB24, codec.width, codec.height,
                                                 codec.pix_fmt, flags, nullptr, nullptr, nullptr));
  const int* matrix = sws_getCoefficients(codec.colorspace);
  const int full_range = 1, limited_range = 0, one = 1 << 16;
  sws_setColorspaceDetails(scaler.get(), matrix, full_range, matrix, limited_range, 0, one, one);
  return scaler;
}

class LibavWriter : public VideoWriter {
 public:
  LibavWriter(const Path& file, const VideoFormat& format)
      : file_(file),
        codec_(open_encoder(file, format)),
        container_(open_container(file, format, *codec_)),
        rgb_(libav::make_frame(format.width, format.height, AV_PIX_FMT_RGB24)),
        picture_(libav::make_frame(format.width, format.height, codec_->pix_fmt)),
        scaler_(make_scaler(*codec_)),
        packet_(libav::owned<libav::Packet>(av_packet_alloc())) {}

  void append(std::span<const std::uint8_t> rgb) override {
    const std::size_t frame_size = std::size_t{3} * codec_->width * codec_->height;
    WF_CHECK(rgb.size() % frame_size == 0 && "whole frames only");
    for (; !rgb.empty(); rgb = rgb.subspan(frame_size)) {
      libav::copy_in(rgb.first(frame_size), *rgb_);
      encode(next_picture());
      write_packets();
    }
  }

  void finish() override {
    encode(nullptr);
    write_packets();
    check_storage(av_write_trailer(container_.get()));
    check_storage(container_->pb->error);  // av_write_trailer() does not report a full disk
    check_storage(avio_closep(&container_->pb));
  }

 private:
  /// The frame in rgb_, converted to the encoder's pixel format and given the next timestamp.
  const AVFrame* next_picture() {
    // The encoder may still use the previous picture's memory; this allocates new memory if so.
    libav::check(av_frame_make_writable(picture_.get()), Error::internal, file_, "picture");
    sws_scale(scaler_.get(), rgb_->data, rgb_->linesize, 0, rgb_->height, picture_->data, picture_->linesize);
    picture_->pts = frames_++;
    return picture_.get();
  }

  /// Sends a picture to the encoder; nullptr flushes it.
  void encode(const AVFrame* picture) {
    libav::check(avcodec_send_frame(codec_.get(), picture), Error::internal, file_, "cannot be encoded");
  }

  /// Writes all packets that the encoder has ready.
  void write_packets() {
    for (;;) {
      const int code = avcodec_receive_packet(codec_.get(), packet_.get());
      if (code == AVERROR(EAGAIN) || code == AVERROR_EOF) return;
      libav::check(code, Error::internal, file_, "cannot be encoded");
      packet_->duration = 1;  // encoders leave it 0, which would give the last frame no duration in the container
      av_packet_rescale_ts(packet_.get(), codec_->time_base, container_->streams[0]->time_base);
      check_storage(av_interleaved_write_frame(container_.get(), packet_.get()));
    }
  }

  void check_storage(int code) const { libav::check(code, Error::storage, file_, "cannot be written"); }

  Path file_;
  libav::Codec codec_;
  libav::Output container_;
  libav::Frame rgb_, picture_;
  libav::Scaler scaler_;
  libav::Packet packet_;
  std::int64_t frames_ = 0;
};

}  // namespace

bool have_ffmpeg() noexcept { return true; }

bool libav_can_write(VideoCodec codec) { return avcodec_find_encoder_by_name(spec_of(codec).encoder) != nullptr; }

std::unique_ptr<VideoWriter> open_libav_writer(const Path& file, const VideoFormat& format) {
  libav::route_log();
  return std::make_unique<LibavWriter>(file, format);
}

}  // namespace wf
