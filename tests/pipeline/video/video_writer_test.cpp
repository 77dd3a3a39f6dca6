// tests/pipeline/video/video_writer_test.cpp: formats, storage errors and unfinished files, in every build.
#include "pipeline/video/video_writer.hpp"

#include <signal.h>
#include <sys/resource.h>

#include <algorithm>

#include "clips.hpp"

namespace wf::test {
namespace {

/// The codecs that this build must be able to write.
std::vector<VideoCodec> codecs() {
  return have_ffmpeg() ? std::vector(all_codecs.begin(), all_codecs.end()) : std::vector{VideoCodec::y4m};
}

std::string refusal(VideoFormat format) {
  return error_of(Error::input, [&] { check_format(format); });
}

/// Limits every file to `bytes` while it lives: writing more fails, as on a full disk.
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
  EXPECT_EQ(file_ending(VideoCodec::h264), "mp4");
  EXPECT_EQ(file_ending(VideoCodec::hevc), "mp4");
  EXPECT_EQ(file_ending(VideoCodec::ffv1), "mkv");
  EXPECT_EQ(file_ending(VideoCodec::y4m), "y4m");
}

TEST_F(VideoFormats, DefaultCodecCanBeWritten) {
  check_format({.width = 64, .height = 64, .fps = 16, .codec = default_codec()});
}

TEST_F(VideoFormats, RefusalsNameTheSettingAndItsValue) {
  EXPECT_EQ(refusal({0, 64, 16, VideoCodec::y4m}), "size: a video cannot be 0x64");
  EXPECT_EQ(refusal({64, 64, 0, VideoCodec::y4m}), "fps must be at least 1, got 0");
}

TEST_F(VideoFormats, ABuildAcceptsItsCodecsAndRefusesOthersNamingThose) {
  const std::vector<VideoCodec> writable = codecs();
  for (const VideoCodec codec : all_codecs) {
    const VideoFormat format{64, 64, 16, codec};
    if (std::find(writable.begin(), writable.end(), codec) != writable.end())
      EXPECT_NO_THROW(check_format(format)) << to_string(codec);
    else
      EXPECT_EQ(refusal(format),
                std::string("codec: this build cannot write ") + to_string(codec) + "; it can write y4m");
  }
}

TEST_F(VideoFormats, EveryCodecKeepsSizeLengthAndApproximateColours) {
  const Bytes rgb = moving_gradient(64, 48, 5);
  for (const VideoCodec codec : codecs()) {
    write_video(file(to_string(codec)), {64, 48, 16, codec}, rgb);
    const VideoInfo info = read_video(file(to_string(codec)))->info();
    EXPECT_EQ(info.width, 64) << to_string(codec);
    EXPECT_EQ(info.height, 48) << to_string(codec);
    EXPECT_EQ(info.fps, 16) << to_string(codec);
    EXPECT_EQ(info.codec, to_string(codec));
    const Bytes back = read_all(file(to_string(codec)));
    ASSERT_EQ(back.size(), rgb.size()) << to_string(codec);
    for (std::size_t i = 0; i < rgb.size(); ++i)
      ASSERT_NEAR(back[i], rgb[i], 20) << to_string(codec) << " at byte " << i;
  }
}

TEST_F(VideoFormats, FramesAppendedOneByOneOrAllAtOnceMakeTheSameFile) {
  const Bytes rgb = moving_gradient(64, 48, 5);
  for (const VideoCodec codec : codecs()) {
    write_video(file("at-once"), {64, 48, 16, codec}, rgb);
    const auto writer = open_video(file("one-by-one"), {64, 48, 16, codec});
    const std::size_t frame = rgb.size() / 5;
    for (std::size_t f = 0; f < 5; ++f) writer->append(std::span(rgb).subspan(f * frame, frame));
    writer->finish();
    EXPECT_EQ(read_file(file("one-by-one")), read_file(file("at-once"))) << to_string(codec);
  }
}

TEST_F(VideoFormats, AnUnfinishedFileRemainsAndReadingItFails) {
  for (const VideoCodec codec : codecs()) {
    { open_video(file(to_string(codec)), {64, 48, 16, codec})->append(Bytes(64 * 48 * 3)); }
    EXPECT_TRUE(std::filesystem::exists(file(to_string(codec))));
    if (codec == VideoCodec::y4m) continue;  // y4m has no trailer that could be missing
    const std::string what = error_of(Error::input, [&] { read_all(file(to_string(codec))); });
    EXPECT_NE(what.find(file(to_string(codec)).string()), std::string::npos) << what;
  }
}

TEST_F(StorageErrors, AFullDeviceIsNamedWithTheReason) {
  for (const VideoCodec codec : codecs()) {
    const std::string what = error_of(Error::storage, [&] {
      write_video("/dev/full", {64, 48, 16, codec}, noise(64, 48, 9, 1));
    });
    EXPECT_EQ(what.rfind("/dev/full: cannot be ", 0), 0u) << to_string(codec) << ": " << what;
    EXPECT_NE(what.find("No space left on device"), std::string::npos) << to_string(codec) << ": " << what;
  }
}

TEST_F(StorageErrors, ADiskThatFillsUpIsNamedWithTheReason) {
  for (const VideoCodec codec : codecs()) {
    for (const rlim_t bytes : {100u, 5'000u, 100'000u}) {
      const SmallDisk disk(bytes);
      const std::string what = error_of(Error::storage, [&] {
        write_video(file(to_string(codec)), {64, 48, 16, codec}, noise(64, 48, 40, 1));
      });
      EXPECT_EQ(what.rfind(file(to_string(codec)).string() + ": cannot be ", 0), 0u) << what;
      EXPECT_NE(what.find("File too large"), std::string::npos) << what;
    }
  }
}

TEST_F(StorageErrors, AMissingFolderIsNamed) {
  for (const VideoCodec codec : codecs()) {
    const Path path = file("nowhere") / "clip";
    const std::string what = error_of(Error::storage, [&] { open_video(path, {64, 48, 16, codec}); });
    EXPECT_EQ(what, path.string() + ": cannot be created: No such file or directory");
  }
}

}  // namespace
}  // namespace wf::test
