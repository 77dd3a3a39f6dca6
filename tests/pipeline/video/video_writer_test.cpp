// tests/pipeline/video/video_writer_test.cpp: what formats there are, in every build.
#include "pipeline/video/video_writer.hpp"

#include <signal.h>
#include <sys/resource.h>

#include "clips.hpp"

namespace wf::test {
namespace {

std::vector<std::string> codecs() {
  return have_ffmpeg() ? std::vector<std::string>{"h264", "hevc", "ffv1", "y4m"} : std::vector<std::string>{"y4m"};
}

std::string refusal(VideoFormat format) {
  return error_of(Error::input, [&] { check_format(format); });
}

/// No file grows beyond `bytes` while this lives: writing more fails, as on a full disk.
class SmallDisk {
 public:
  explicit SmallDisk(rlim_t bytes) : signal_(::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit small{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &small);
  }
  ~SmallDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, signal_);
  }

 private:
  rlimit before_{};
  void (*signal_)(int);
};

using VideoFormats = VideoTest;
using StorageErrors = VideoTest;

TEST_F(VideoFormats, FileEndingFollowsFromTheCodec) {
  EXPECT_EQ(file_ending("h264"), "mp4");
  EXPECT_EQ(file_ending("hevc"), "mp4");
  EXPECT_EQ(file_ending("ffv1"), "mkv");
  EXPECT_EQ(file_ending("y4m"), "y4m");
  EXPECT_EQ(error_of(Error::input, [] { file_ending("av1"); }),
            "codec: there is no av1; there are h264, hevc, ffv1, y4m");
}

TEST_F(VideoFormats, DefaultCodecCanBeWritten) {
  check_format({.width = 64, .height = 64, .fps = 16, .codec = default_codec()});
}

TEST_F(VideoFormats, RefusalsNameTheValueAndWhatThereIs) {
  const std::string all = have_ffmpeg() ? "h264, hevc, ffv1, y4m" : "y4m";
  EXPECT_EQ(refusal({64, 64, 16, "vp9"}), "codec: this build cannot write vp9; it can write " + all);
  EXPECT_EQ(refusal({0, 64, 16, "y4m"}), "size: a video cannot be 0x64");
  EXPECT_EQ(refusal({64, 64, 0, "y4m"}), "fps must be at least 1, got 0");
}

TEST_F(VideoFormats, EveryCodecKeepsSizeLengthAndColours) {
  const Bytes rgb = moving_gradient(64, 48, 5);
  for (const std::string& codec : codecs()) {
    write_video(file(codec), {64, 48, 16, codec}, rgb);
    const VideoInfo info = read_video(file(codec))->info();
    EXPECT_EQ(info.width, 64) << codec;
    EXPECT_EQ(info.height, 48) << codec;
    EXPECT_EQ(info.fps, 16) << codec;
    EXPECT_EQ(info.codec, codec);
    const Bytes back = read_all(file(codec));
    ASSERT_EQ(back.size(), rgb.size()) << codec;
    for (std::size_t i = 0; i < rgb.size(); ++i) ASSERT_NEAR(back[i], rgb[i], 20) << codec << " at byte " << i;
  }
}

TEST_F(VideoFormats, FramesOneByOneOrAllAtOnceMakeTheSameFile) {
  const Bytes rgb = moving_gradient(64, 48, 5);
  for (const std::string& codec : codecs()) {
    write_video(file("at-once"), {64, 48, 16, codec}, rgb);
    const auto writer = open_video(file("one-by-one"), {64, 48, 16, codec});
    const std::size_t frame = rgb.size() / 5;
    for (std::size_t f = 0; f < 5; ++f) writer->append(std::span(rgb).subspan(f * frame, frame));
    writer->finish();
    EXPECT_EQ(read_file(file("one-by-one")), read_file(file("at-once"))) << codec;
  }
}

TEST_F(VideoFormats, UnfinishedFileStaysAndIsRefused) {
  for (const std::string& codec : codecs()) {
    { open_video(file(codec), {64, 48, 16, codec})->append(Bytes(64 * 48 * 3)); }
    EXPECT_TRUE(std::filesystem::exists(file(codec)));
    if (codec == "y4m") continue;  // it has no end that could be missing
    const std::string what = error_of(Error::input, [&] { read_all(file(codec)); });
    EXPECT_NE(what.find(file(codec).string()), std::string::npos) << what;
  }
}

TEST_F(StorageErrors, FullDeviceIsNamedWithTheReason) {
  for (const std::string& codec : codecs()) {
    const std::string what = error_of(Error::storage, [&] {
      write_video("/dev/full", {64, 48, 16, codec}, noise(64, 48, 9, 1));
    });
    EXPECT_EQ(what.rfind("/dev/full: cannot be ", 0), 0u) << codec << ": " << what;
    EXPECT_NE(what.find("No space left on device"), std::string::npos) << codec << ": " << what;
  }
}

TEST_F(StorageErrors, DiskThatFillsUpIsNamedWithTheReason) {
  for (const std::string& codec : codecs()) {
    for (const rlim_t bytes : {100u, 5'000u, 100'000u}) {
      const SmallDisk disk(bytes);
      const std::string what = error_of(Error::storage, [&] {
        write_video(file(codec), {64, 48, 16, codec}, noise(64, 48, 40, 1));
      });
      EXPECT_EQ(what.rfind(file(codec).string() + ": cannot be ", 0), 0u) << what;
      EXPECT_NE(what.find("File too large"), std::string::npos) << what;
    }
  }
}

TEST_F(StorageErrors, MissingFolderIsNamed) {
  for (const std::string& codec : codecs()) {
    const Path path = file("nowhere") / "clip";
    const std::string what = error_of(Error::storage, [&] { open_video(path, {64, 48, 16, codec}); });
    EXPECT_EQ(what, path.string() + ": cannot be created: No such file or directory");
  }
}

}  // namespace
}  // namespace wf::test
