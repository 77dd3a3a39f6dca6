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

TEST_F(Y4m, EveryColourIsReadBackWithinTwo) {
  Bytes cube;  // 64x64 pixels x 64 frames: every fourth level of each channel, and the extremes
  for (int i = 0; i < 64 * 64 * 64; ++i) {
    for (const int level : {i % 64, i / 64 % 64, i / 4096}) cube.push_back(level * 255 / 63);
  }
  write_video(file("cube.y4m"), {64, 64, 16, VideoCodec::y4m}, cube);
  const Bytes back = read_all(file("cube.y4m"));
  ASSERT_EQ(back.size(), cube.size());
  int worst = 0;
  for (std::size_t i = 0; i < cube.size(); ++i) worst = std::max(worst, std::abs(cube[i] - back[i]));
  std::printf("largest difference %d of 2 allowed\n", worst);
  EXPECT_LE(worst, 2);
}

TEST_F(Y4m, KnownColoursHaveTheirBt601Samples) {
  // Black, white, and the three primaries, as ITU-R BT.601 gives them: planes Y, Cb, Cr.
  write_video(file("five.y4m"), {5, 1, 25, VideoCodec::y4m}, {0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 255, 0, 0, 0, 255});
  const std::string content = read_file(file("five.y4m"));
  EXPECT_EQ(content.substr(0, content.size() - 15), "YUV4MPEG2 W5 H1 F25:1 Ip A1:1 C444\nFRAME\n");
  const std::string samples = content.substr(content.size() - 15);
  const Bytes expected{16, 235, 81, 145, 41, 128, 128, 90, 54, 240, 128, 128, 240, 34, 110};
  EXPECT_EQ(Bytes(samples.begin(), samples.end()), expected);
}

TEST_F(Y4m, TheCommentIsLeftOut) {
  write_video(file("a.y4m"),
              {.width = 16, .height = 16, .fps = 16, .codec = VideoCodec::y4m, .comment = "{\"seed\": 1}"}, Bytes(768));
  EXPECT_EQ(header(file("a.y4m")), "YUV4MPEG2 W16 H16 F16:1 Ip A1:1 C444");
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
