// tests/pipeline/video/libav_reader_test.cpp: foreign and broken files, and quality figures compared with ffmpeg's
// filters.
#include <cmath>

#include "clips.hpp"
#include "pipeline/video/compare.hpp"
#include "pipeline/video/video_writer.hpp"

namespace wf::test {
namespace {

using LibavReader = VideoTest;

/// Expects that we read the frames that ffmpeg reads with the reader's conversion flags.
void expect_ffmpegs_frames(const Path& file) {
  const Path raw = file.string() + ".rgb";
  output_of("ffmpeg -v error -i " + quoted(file) +
            " -sws_flags bicubic+full_chroma_int+full_chroma_inp+accurate_rnd -pix_fmt rgb24 -f rawvideo " +
            quoted(raw));
  const std::string theirs = read_file(raw);
  EXPECT_TRUE(read_all(file) == Bytes(theirs.begin(), theirs.end())) << file;
}

TEST_F(LibavReader, FramesAreThoseOfFfmpeg) {
  for (const VideoCodec codec : {VideoCodec::h264, VideoCodec::hevc, VideoCodec::ffv1}) {
    write_video(file(to_string(codec)), {64, 48, 16, codec}, moving_gradient(64, 48, 5));
    expect_ffmpegs_frames(file(to_string(codec)));
  }
}

TEST_F(LibavReader, MatrixAndRangeOfTheFileAreUsed) {
  const std::string encode =
      "ffmpeg -v error -f lavfi -i testsrc2=s=64x48:r=16:d=0.25,format=gbrp -c:v libx264 -crf 10 ";
  output_of(encode +
            "-vf scale=out_color_matrix=bt709:out_range=full -pix_fmt yuv444p -colorspace bt709 -color_range pc " +
            quoted(file("709.mp4")));
  output_of(encode + "-pix_fmt yuv444p " + quoted(file("601.mp4")));
  const Comparison distance = compare(file("709.mp4"), file("601.mp4"));
  EXPECT_GT(distance.psnr, 35) << "the same picture in two colour encodings";
}

TEST_F(LibavReader, AudioStreamsAreIgnored) {
  output_of("ffmpeg -v error -f lavfi -i testsrc2=s=64x48:r=16:d=0.5 -f lavfi -i sine=d=2 -c:v libx264 " +
            quoted(file("a.mkv")));
  EXPECT_EQ(read_all(file("a.mkv")).size(), 8u * 64 * 48 * 3);
  output_of("ffmpeg -v error -f lavfi -i sine=d=1 " + quoted(file("a.wav")));
  EXPECT_EQ(error_of(Error::input, [&] { read_video(file("a.wav")); }),
            file("a.wav").string() + ": has no video in it");
}

TEST_F(LibavReader, FfmpegReadsOurY4mAndWeReadItsY4m) {
  const Bytes rgb = moving_gradient(64, 48, 3);
  VideoFormat format{.width = 64, .height = 48, .fps = 16, .codec = VideoCodec::y4m};
  write_video(file("709.y4m"), format, rgb);
  output_of("ffmpeg -v error -i " + quoted(file("709.y4m")) + " -c:v ffv1 -colorspace bt709 " +
            quoted(file("copy.mkv")));
  EXPECT_LE(compare(file("709.y4m"), file("copy.mkv")).max, 1) << "the same samples, turned into RGB by libav";
  format.color = ColorMatrix::bt601;
  write_video(file("601.y4m"), format, rgb);
  output_of("ffmpeg -v error -i " + quoted(file("601.y4m")) + " -pix_fmt yuv420p " + quoted(file("other.y4m")));
  EXPECT_GT(compare(file("601.y4m"), file("other.y4m")).psnr, 35) << "without a tag, and only the chroma is coarser";
}

TEST_F(LibavReader, OurPngIsReadBackExactly) {
  const Bytes rgb = noise(48, 32, 1, 4);
  write_png(file("a.png"), rgb, 48, 32);
  EXPECT_EQ(read_all(file("a.png")), rgb);
}

TEST_F(LibavReader, TruncatedFilesAreRefusedByNameAtAnyLength) {
  for (const VideoCodec codec : {VideoCodec::h264, VideoCodec::hevc, VideoCodec::ffv1}) {
    write_video(file("whole"), {64, 48, 16, codec}, noise(64, 48, 9, 1));
    const std::string whole = read_file(file("whole"));
    for (int percent = 0; percent < 100; percent += 4) {
      write_file(file("cut"), whole.substr(0, whole.size() * percent / 100));
      const std::string what = error_of(Error::input, [&] { read_all(file("cut")); });
      EXPECT_EQ(what.rfind(file("cut").string() + ": ", 0), 0u)
          << to_string(codec) << " at " << percent << " %: " << what;
    }
  }
}

TEST_F(LibavReader, DamagedFfv1IsRefusedByName) {
  write_video(file("a"), {64, 48, 16, VideoCodec::ffv1}, noise(64, 48, 3, 1));
  std::string content = read_file(file("a"));
  content[content.size() / 2] ^= 0x40;
  write_file(file("a"), content);
  const std::string what = error_of(Error::input, [&] { read_all(file("a")); });
  EXPECT_EQ(what.rfind(file("a").string() + ": is damaged", 0), 0u) << what;
}

TEST_F(LibavReader, FilesThatAreNoVideoAreRefusedByName) {
  write_file(file("text"), "prompts:\n  - a kite\n");
  for (const Path& path : {file("text"), file("missing"), file("")}) {
    const std::string what = error_of(Error::input, [&] { read_video(path); });
    EXPECT_EQ(what.rfind(path.string() + ": cannot be ", 0), 0u) << what;
  }
}

/// The number after `name` in the output of ffmpeg's filter (psnr or ssim) for two files converted to `pixels`.
double ffmpegs_figure(const Path& a, const Path& b, const std::string& pixels, const std::string& filter,
                      const std::string& name) {
  const std::string same = "format=" + pixels;
  const std::string text =
      output_of("ffmpeg -hide_banner -nostats -i " + quoted(a) + " -i " + quoted(b) + " -lavfi '[0]" + same +
                "[a];[1]" + same + "[b];[a][b]" + filter + "' -f null - 2>&1");
  const std::size_t at = text.find(name);
  EXPECT_NE(at, std::string::npos) << text;
  return std::stod(text.substr(at + name.size()));
}

TEST_F(LibavReader, PsnrAndSsimAreThoseOfFfmpegsFilters) {
  const Bytes rgb = moving_gradient(128, 96, 9), chance = noise(128, 96, 9, 6);
  Bytes rough = rgb;
  for (std::size_t i = 0; i < rough.size(); ++i) rough[i] += chance[i] % 24;  // at most 228 + 23, no overflow
  const Path a = file("a"), b = file("b");
  write_video(a, {128, 96, 16, VideoCodec::ffv1}, rgb);
  write_video(b, {128, 96, 16, VideoCodec::ffv1}, rough);
  const Comparison ours = compare(a, b);
  const double psnr = ffmpegs_figure(a, b, "gbrp", "psnr", "average:"),
               ssim = ffmpegs_figure(a, b, "yuvj444p", "ssim", "Y:");
  std::printf("PSNR %.4f dB (ffmpeg %.4f), SSIM %.5f (ffmpeg %.5f)\n", ours.psnr, psnr, ours.ssim, ssim);
  EXPECT_NEAR(ours.psnr, psnr, 0.001);
  EXPECT_NEAR(ours.ssim, ssim, 0.002) << "ffmpeg rounds luma to integers";
}

}  // namespace
}  // namespace wf::test
