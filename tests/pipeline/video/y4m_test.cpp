// tests/pipeline/video/y4m_test.cpp: the Y4M format, which is in every build.
#include "pipeline/video/y4m.hpp"

#include <algorithm>

#include "clips.hpp"

namespace wf::test {
namespace {

using Y4m = VideoTest;

std::string header(const Path& path) {
  const std::string content = read_file(path);
  return content.substr(0, content.find('\n'));
}

/// The samples of a file of one frame: all that follows its two lines.
Bytes samples(const Path& path) {
  const std::string content = read_file(path), frame = "\nFRAME\n";
  const std::size_t begin = content.find(frame) + frame.size();
  return {content.begin() + static_cast<std::ptrdiff_t>(begin), content.end()};
}

TEST_F(Y4m, EveryColourIsReadBackWithinTwo) {
  Bytes cube;  // 64x64 pixels x 64 frames: every fourth level of each channel, and the extremes
  for (int i = 0; i < 64 * 64 * 64; ++i) {
    for (const int level : {i % 64, i / 64 % 64, i / 4096}) cube.push_back(level * 255 / 63);
  }
  for (const ColorMatrix matrix : all_color_matrices) {
    write_video(file("cube.y4m"), {.width = 64, .height = 64, .fps = 16, .codec = VideoCodec::y4m, .color = matrix},
                cube);
    const Bytes back = read_all(file("cube.y4m"));
    ASSERT_EQ(back.size(), cube.size());
    int worst = 0;
    for (std::size_t i = 0; i < cube.size(); ++i) worst = std::max(worst, std::abs(cube[i] - back[i]));
    std::printf("%s: largest difference %d of 2 allowed\n", to_string(matrix), worst);
    EXPECT_LE(worst, 2) << to_string(matrix);
  }
}

TEST_F(Y4m, KnownColoursHaveTheSamplesThatTheRecommendationsGive) {
  // Black, white, and the three primaries: planes Y, Cb, Cr.
  const Bytes five{0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 255, 0, 0, 0, 255};
  VideoFormat format{.width = 5, .height = 1, .fps = 25, .codec = VideoCodec::y4m};
  write_video(file("five.y4m"), format, five);
  EXPECT_EQ(header(file("five.y4m")), "YUV4MPEG2 W5 H1 F25:1 Ip A1:1 C444 XCOLORRANGE=LIMITED XMATRIX=BT709");
  EXPECT_EQ(samples(file("five.y4m")), (Bytes{16, 235, 63, 173, 32, 128, 128, 102, 42, 240, 128, 128, 240, 26, 118}));
  format.color = ColorMatrix::bt601;
  write_video(file("five.y4m"), format, five);
  EXPECT_EQ(header(file("five.y4m")), "YUV4MPEG2 W5 H1 F25:1 Ip A1:1 C444 XCOLORRANGE=LIMITED XMATRIX=BT601");
  EXPECT_EQ(samples(file("five.y4m")), (Bytes{16, 235, 81, 145, 41, 128, 128, 90, 54, 240, 128, 128, 240, 34, 110}));
}

TEST_F(Y4m, AFileThatNamesNoMatrixIsBt601) {
  write_file(file("red.y4m"), "YUV4MPEG2 W1 H1 F25:1 C444\nFRAME\n\x51\x5a\xf0");
  const Bytes red = read_all(file("red.y4m"));
  EXPECT_NEAR(red[0], 255, 2);
  EXPECT_NEAR(red[1], 0, 2);
  EXPECT_NEAR(red[2], 0, 2);
}

TEST_F(Y4m, TheHeaderOfALargeVideoFitsInto80Characters) {
  write_video(file("a.y4m"), {4096, 2160, 120, VideoCodec::y4m}, {});
  EXPECT_LE(header(file("a.y4m")).size(), 80u) << "older versions of FFmpeg refuse a longer one";
}

TEST_F(Y4m, TheCommentIsLeftOut) {
  write_video(file("a.y4m"),
              {.width = 16, .height = 16, .fps = 16, .codec = VideoCodec::y4m, .comment = "{\"seed\": 1}"}, Bytes(768));
  EXPECT_EQ(header(file("a.y4m")), "YUV4MPEG2 W16 H16 F16:1 Ip A1:1 C444 XCOLORRANGE=LIMITED XMATRIX=BT709");
}

TEST_F(Y4m, ATruncatedFileIsNamedWithTheNumberOfFramesBefore) {
  write_video(file("a.y4m"), {16, 16, 16, VideoCodec::y4m}, Bytes(768 * 3));
  std::filesystem::resize_file(file("a.y4m"), std::filesystem::file_size(file("a.y4m")) - 1);
  EXPECT_EQ(error_of(Error::input, [&] { read_all(file("a.y4m")); }),
            file("a.y4m").string() + ": ends too early, after 2 frames");
}

TEST_F(Y4m, GarbageBetweenFramesIsRefused) {
  write_video(file("a.y4m"), {16, 16, 16, VideoCodec::y4m}, Bytes(768));
  write_file(file("b.y4m"), read_file(file("a.y4m")) + "FRUME\n");
  EXPECT_EQ(error_of(Error::input, [&] { read_all(file("b.y4m")); }),
            file("b.y4m").string() + ": has no frame where one should begin, after 1 frames");
}

TEST_F(Y4m, OtherLayoutsAreRefused) {
  for (const std::string other :
       {"YUV4MPEG2 W16 H16 F16:1 C420jpeg\n", "YUV4MPEG2 W16 H16 F16:1\n", "YUV4MPEG2 H16 F16:1 C444\n",
        "YUV4MPEG2 W16 H16 F16:1 C444 XCOLORRANGE=FULL\n", "YUV4MPEG3 W16 H16 C444\n", "", "\n",
        "YUV4MPEG2 W16 H99999 F16:1 C444\n", "YUV4MPEG2 W16"}) {
    write_file(file("other.y4m"), other);
    EXPECT_FALSE(is_y4m444(file("other.y4m"))) << other;
    error_of(Error::input, [&] { open_y4m_reader(file("other.y4m")); });
  }
}

}  // namespace
}  // namespace wf::test
