// tests/pipeline/video/libav_writer_test.cpp: our files compared with those of ffmpeg, and as ffprobe describes them.
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <sstream>
#include <thread>

#include "clips.hpp"
#include "pipeline/video/compare.hpp"
#include "pipeline/video/video_writer.hpp"

namespace wf::test {
namespace {

using LibavWriter = VideoTest;

/// A field of the first video stream or of the container, as ffprobe prints it.
std::string probed(const Path& file, const std::string& what) {
  std::string value = output_of("ffprobe -v error -count_frames -select_streams v:0 -of csv=p=0 -show_entries " + what +
                                " " + quoted(file));
  value.erase(value.find_last_not_of(",\r\n") + 1);
  return value;
}

/// Encodes as the official writer does, but with our colours and tags, and with our number of threads and content of
/// fresh memory, since libx264's result depends on both.
void ffmpeg_encode(const Path& raw, const Path& file, const std::string& size) {
  output_of("MALLOC_PERTURB_=" + std::to_string(heap_fill) + " ffmpeg -v error -f rawvideo -pix_fmt rgb24 -s " + size +
            " -r 16 -i " + quoted(raw) +
            " -vf scale=out_color_matrix=bt709:out_range=tv:flags=bicubic+full_chroma_inp+accurate_rnd"
            " -colorspace bt709 -color_primaries bt709 -color_trc bt709 -color_range tv"
            " -c:v libx264 -pix_fmt yuv420p -crf 10 -threads 4 " +
            quoted(file));
}

TEST_F(LibavWriter, H264IsWhatFfmpegMakesOfTheSameColours) {
  const std::vector<std::pair<std::string, Bytes>> clips{{"noise", noise(208, 112, 9, 5)},
                                                         {"gradient", moving_gradient(208, 112, 33)}};
  for (const auto& [name, rgb] : clips) {
    write_file(file(name), {reinterpret_cast<const char*>(rgb.data()), rgb.size()});
    ffmpeg_encode(file(name), file(name + "-theirs.mp4"), "208x112");
    write_video(file(name + "-ours.mp4"), {208, 112, 16}, rgb);
    EXPECT_EQ(compare(file(name + "-ours.mp4"), file(name + "-theirs.mp4")).max, 0) << name;
    for (const std::string entry :
         {"stream=color_range,color_space,color_primaries,color_transfer,sample_aspect_ratio,profile,level",
          "packet=pts_time,dts_time,duration_time,size,flags"})
      EXPECT_EQ(probed(file(name + "-ours.mp4"), entry), probed(file(name + "-theirs.mp4"), entry)) << name;
  }
}

TEST_F(LibavWriter, FfprobeFindsCodecRateFramesAndDuration) {
  const std::vector<std::pair<VideoCodec, std::string>> stream_fields{{VideoCodec::h264, "h264,avc1,yuv420p"},
                                                                      {VideoCodec::hevc, "hevc,hvc1,yuv420p"},
                                                                      {VideoCodec::ffv1, "ffv1,FFV1,bgr0"}};
  for (const auto& [codec, fields] : stream_fields) {
    for (const int frames : {1, 5, 33}) {
      write_video(file("clip"), {64, 48, 16, codec}, moving_gradient(64, 48, frames));
      EXPECT_EQ(
          probed(file("clip"), "stream=codec_name,codec_tag_string,pix_fmt,r_frame_rate,avg_frame_rate,nb_read_frames"),
          fields + ",16/1,16/1," + std::to_string(frames));
      const double seconds = std::stod(probed(file("clip"), "format=duration"));
      EXPECT_NEAR(seconds, frames / 16.0, 1.1e-3)
          << to_string(codec) << " " << frames << ": Matroska counts milliseconds";
    }
  }
}

TEST_F(LibavWriter, Ffv1KeepsEveryByte) {
  const Bytes rgb = noise(80, 48, 4, 7);
  write_video(file("a.mkv"), {80, 48, 16, VideoCodec::ffv1}, rgb);
  EXPECT_EQ(read_all(file("a.mkv")), rgb);
  output_of("ffmpeg -v error -i " + quoted(file("a.mkv")) + " -pix_fmt rgb24 -f rawvideo " + quoted(file("a.rgb")));
  const std::string theirs = read_file(file("a.rgb"));
  EXPECT_TRUE(Bytes(theirs.begin(), theirs.end()) == rgb) << "ffmpeg reads other bytes";
}

TEST_F(LibavWriter, DefaultQualityIsAbove40Decibel) {
  for (const VideoCodec codec : {VideoCodec::h264, VideoCodec::hevc}) {
    const Bytes rgb = moving_gradient(128, 96, 17);
    write_video(file("lossy"), {128, 96, 16, codec}, rgb);
    write_video(file("exact"), {128, 96, 16, VideoCodec::ffv1}, rgb);
    const Comparison distance = compare(file("lossy"), file("exact"));
    std::printf("%s: PSNR %.2f dB (at least 40), SSIM %.5f\n", to_string(codec), distance.psnr, distance.ssim);
    EXPECT_GT(distance.psnr, 40) << to_string(codec);
    EXPECT_GT(distance.ssim, 0.98) << to_string(codec);
  }
}

TEST_F(LibavWriter, CrfAndPresetReachTheEncoder) {
  const Bytes rgb = noise(64, 48, 5, 2);
  const auto size = [&](VideoFormat format) {
    write_video(file("clip"), format, rgb);
    return std::filesystem::file_size(file("clip"));
  };
  for (const VideoCodec codec : {VideoCodec::h264, VideoCodec::hevc}) {
    const auto normal = size({64, 48, 16, codec});
    EXPECT_LT(size({64, 48, 16, codec, 40}), normal) << to_string(codec);
    EXPECT_NE(size({64, 48, 16, codec, 10, "ultrafast"}), normal) << to_string(codec);
  }
}

TEST_F(LibavWriter, TheWholeCommentIsReadBack) {
  std::string json = "{\"prompt\": \"a \\\"red\\\" kite; =#\\\\ 色调艳丽\",\n \"long\": \"";
  json += std::string(20'000, 'x') + "\"}";
  for (const VideoCodec codec : {VideoCodec::h264, VideoCodec::hevc, VideoCodec::ffv1}) {
    write_video(file(to_string(codec)), {.width = 64, .height = 48, .fps = 16, .codec = codec, .comment = json},
                moving_gradient(64, 48, 1));
    EXPECT_EQ(read_video(file(to_string(codec)))->info().comment, json) << to_string(codec);
    EXPECT_NE(output_of("ffprobe -v error -of json -show_entries format_tags=comment " + quoted(file(to_string(codec))))
                  .find("red"),
              std::string::npos);
  }
}

TEST_F(LibavWriter, Mp4IndexComesFirstAndNoOtherFileIsLeft) {
  write_video(file("a.mp4.part"), {64, 48, 16}, moving_gradient(64, 48, 5));
  const std::string content = read_file(file("a.mp4.part"));
  EXPECT_LT(content.find("moov"), content.find("mdat"));
  const auto folder = std::filesystem::directory_iterator(file("").parent_path());
  EXPECT_EQ(std::distance(begin(folder), end(folder)), 1);
}

TEST_F(LibavWriter, SameFramesMakeTheSameBytesAlsoConcurrently) {
  const Bytes rgb = noise(208, 112, 5, 11);
  for (const VideoCodec codec : {VideoCodec::h264, VideoCodec::hevc, VideoCodec::ffv1}) {
    const VideoFormat format{.width = 208, .height = 112, .fps = 16, .codec = codec, .comment = "{}"};
    write_video(file("first"), format, rgb);
    const std::string first = read_file(file("first"));
    std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // a time stamp in seconds would differ
    std::thread other([&] { write_video(file("other"), format, rgb); });
    write_video(file("second"), format, rgb);
    other.join();
    EXPECT_TRUE(read_file(file("second")) == first) << to_string(codec);
    EXPECT_TRUE(read_file(file("other")) == first) << to_string(codec);
  }
}

TEST_F(LibavWriter, AnyFileNameIsAccepted) {
  for (const std::string name : {"a:b.mp4", "100%d.mp4", "tale of two, \"kites\"?.mp4", "no-ending", "色.mp4"}) {
    write_video(file(name), {64, 48, 16}, moving_gradient(64, 48, 1));
    EXPECT_TRUE(std::filesystem::exists(file(name))) << name;
    EXPECT_EQ(read_all(file(name)).size(), 64u * 48 * 3) << name;
  }
}

TEST_F(LibavWriter, RefusesOddSizesAndUnknownSettings) {
  const auto refusal = [](VideoFormat format) { return error_of(Error::input, [&] { check_format(format); }); };
  EXPECT_EQ(refusal({63, 48, 16}), "size: h264 needs an even width and height, got 63x48");
  EXPECT_EQ(refusal({64, 48, 16, VideoCodec::hevc, 52}), "crf must be between 0 (best) and 51, got 52");
  EXPECT_EQ(refusal({64, 48, 16, VideoCodec::h264, 10, "quick"}),
            "preset: there is no quick; there are ultrafast, superfast, veryfast, faster, fast, medium, slow, slower, "
            "veryslow, placebo");
}

TEST_F(LibavWriter, LibrariesWriteToTheLogAtLevelTraceAndNotToTheTerminal) {
  std::ostringstream lines;
  const auto before = spdlog::default_logger();
  spdlog::set_default_logger(
      std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(lines)));
  spdlog::set_level(spdlog::level::trace);
  testing::internal::CaptureStderr();
  for (const VideoCodec codec : {VideoCodec::h264, VideoCodec::hevc})
    write_video(file(to_string(codec)), {64, 48, 16, codec}, moving_gradient(64, 48, 5));
  const std::string terminal = testing::internal::GetCapturedStderr();
  spdlog::set_default_logger(before);
  EXPECT_EQ(terminal, "");
  EXPECT_NE(lines.str().find("[trace] FFmpeg: [libx264"), std::string::npos) << lines.str();
  EXPECT_EQ(lines.str().find("[debug] FFmpeg: [libx264"), std::string::npos) << lines.str();
}

}  // namespace
}  // namespace wf::test
