// tests/launcher/run/verify_test.cpp: which damage to a finished video which check finds, and what a run does then.
#include "launcher/run/verify.hpp"

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <sys/resource.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

#include "base/log.hpp"
#include "base/sha256.hpp"
#include "pipeline/video/video_writer.hpp"
#include "tests/launcher/program.hpp"
#include "tests/text.hpp"

namespace wf {
namespace {

using Json = nlohmann::json;
using Bytes = std::vector<std::uint8_t>;

constexpr Verify all_checks[] = {Verify::size, Verify::hash, Verify::decode};

std::vector<VideoCodec> codecs() {
  return have_ffmpeg() ? std::vector(all_codecs.begin(), all_codecs.end()) : std::vector{VideoCodec::y4m};
}

/// Frames that no codec can make small, so that damage in the middle of the file is damage to a picture.
Bytes noise(int width, int height, int frames) {
  std::mt19937 random(7);
  Bytes rgb(std::size_t{3} * width * height * frames);
  for (auto& byte : rgb) byte = static_cast<std::uint8_t>(random());
  return rgb;
}

class VideoCheck : public testing::Test {
 protected:
  /// A finished clip of noise, as a run leaves it. Replaces an earlier one of the codec.
  Sidecar make_clip(VideoCodec codec, int width = 64, int height = 48, int frames = 9) const {
    const Bytes rgb = noise(width, height, frames);
    Sidecar sidecar;
    sidecar.job.width = width, sidecar.job.height = height, sidecar.job.frames = frames;
    sidecar.video_file = std::string("clip.") + to_string(codec);
    sidecar.codec = to_string(codec);
    const auto writer = open_video(video(sidecar), {.width = width, .height = height, .fps = 16, .codec = codec});
    writer->append(rgb);
    writer->finish();
    sidecar.frames_sha256 = Sha256().update(rgb.data(), rgb.size()).hex();
    describe_file(sidecar);
    return sidecar;
  }

  Path video(const Sidecar& sidecar) const { return folder / sidecar.video_file; }

  /// Makes the sidecar one of the file as it is now.
  void describe_file(Sidecar& sidecar) const {
    sidecar.video_bytes = std::filesystem::file_size(video(sidecar));
    sidecar.file_sha256 = sha256_of_file(video(sidecar));
  }

  /// Flips a bit in the middle of the file, which keeps its size.
  void flip_bit(const Sidecar& sidecar) const {
    std::string content = read_file(video(sidecar));
    content[content.size() / 2] ^= 0x40;
    write_file(video(sidecar), content);
  }

  /// Makes the size of the first picture of an MP4 file one that the file does not have room for.
  void break_first_packet(const Sidecar& sidecar) const {
    std::string content = read_file(video(sidecar));
    const std::size_t data = content.find("mdat");
    ASSERT_NE(data, std::string::npos);
    content.replace(data + 4, 4, 4, '\x7f');
    write_file(video(sidecar), content);
  }

  std::string fault(Verify verify, const Sidecar& sidecar) const { return files_check(verify)(folder.path(), sidecar); }

  TempFolder folder;
};

TEST_F(VideoCheck, FindsNothingInAnIntactVideo) {
  for (const VideoCodec codec : codecs()) {
    const Sidecar sidecar = make_clip(codec);
    for (const Verify verify : all_checks) EXPECT_EQ(fault(verify, sidecar), "") << to_string(codec);
  }
}

TEST_F(VideoCheck, FindsAFlippedByteUnlessItLooksAtTheSizeOnly) {
  for (const VideoCodec codec : codecs()) {
    const Sidecar sidecar = make_clip(codec);
    flip_bit(sidecar);
    EXPECT_EQ(fault(Verify::size, sidecar), "") << to_string(codec);
    for (const Verify verify : {Verify::hash, Verify::decode})
      EXPECT_EQ(fault(verify, sidecar), "is not the file that was written: its SHA-256 is not the sidecar's");
  }
}

TEST_F(VideoCheck, FindsDamageByDecodingWhereThereIsNoHash) {
  for (const VideoCodec codec : codecs()) {
    if (codec == VideoCodec::y4m) continue;  // any byte is a sample there
    Sidecar sidecar = make_clip(codec);
    // FFV1 has a checksum for each slice. H.264 and HEVC have none: a flipped bit may become another picture.
    codec == VideoCodec::ffv1 ? flip_bit(sidecar) : break_first_packet(sidecar);
    sidecar.file_sha256 = "";
    EXPECT_EQ(fault(Verify::hash, sidecar), "") << to_string(codec);
    EXPECT_EQ(fault(Verify::decode, sidecar).rfind("is damaged", 0), 0u) << fault(Verify::decode, sidecar);
  }
}

TEST_F(VideoCheck, FindsATruncatedAndAMissingFileByItsSize) {
  for (const VideoCodec codec : codecs()) {
    const Sidecar sidecar = make_clip(codec);
    std::filesystem::resize_file(video(sidecar), sidecar.video_bytes - 1);
    for (const Verify verify : all_checks)
      EXPECT_NE(fault(verify, sidecar).find(std::to_string(sidecar.video_bytes)), std::string::npos);
    std::filesystem::remove(video(sidecar));
    for (const Verify verify : all_checks) EXPECT_EQ(fault(verify, sidecar), "No such file or directory");
  }
}

TEST_F(VideoCheck, FindsOtherPicturesByDecoding) {
  for (const VideoCodec codec : codecs()) {
    const Sidecar whole = make_clip(codec);
    Sidecar shorter = make_clip(codec, 64, 48, 8);
    shorter.job.frames = whole.job.frames;
    EXPECT_EQ(fault(Verify::hash, shorter), "");
    EXPECT_EQ(fault(Verify::decode, shorter), "has 8 frames, not 9");
    Sidecar smaller = make_clip(codec, 32, 48);
    smaller.job.width = whole.job.width;
    EXPECT_EQ(fault(Verify::decode, smaller), "has pictures of 32x48, not 64x48");
  }
}

TEST_F(VideoCheck, ComparesTheFramesOfALosslessCodec) {
  for (const VideoCodec codec : codecs()) {
    Sidecar sidecar = make_clip(codec);
    sidecar.frames_sha256 = Sha256().update("other frames").hex();
    EXPECT_EQ(fault(Verify::hash, sidecar), "");
    EXPECT_EQ(fault(Verify::decode, sidecar),
              is_lossless(codec) ? "does not contain the frames that were rendered" : "");
  }
}

TEST_F(VideoCheck, AcceptsAnOlderSidecarWithoutAHashAndSaysSo) {
  std::ostringstream lines;
  const auto before = spdlog::default_logger();
  spdlog::set_default_logger(
      std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(lines)));
  Sidecar sidecar = make_clip(VideoCodec::y4m);
  sidecar.file_sha256 = "";
  for (const Verify verify : {Verify::size, Verify::decode}) EXPECT_EQ(fault(verify, sidecar), "");
  const std::string of_others = lines.str();
  EXPECT_EQ(fault(Verify::hash, sidecar), "");
  spdlog::set_default_logger(before);
  EXPECT_EQ(of_others, "");
  EXPECT_NE(lines.str().find("clip.y4m: only its size is checked"), std::string::npos) << lines.str();
}

TEST_F(VideoCheck, RefusesToDecodeWhatThisBuildCannot) {
  for (const VideoCodec codec : all_codecs) {
    Sidecar sidecar = make_clip(VideoCodec::y4m);
    sidecar.codec = to_string(codec);
    EXPECT_EQ(fault(Verify::hash, sidecar), "");
    if (have_ffmpeg() || codec == VideoCodec::y4m)
      EXPECT_NO_THROW(fault(Verify::decode, sidecar)) << to_string(codec);
    else
      EXPECT_THROW(fault(Verify::decode, sidecar), Error) << to_string(codec);
  }
}

/// Lets the process have `bytes` more of address space while it lives.
class LittleMemory {
 public:
  explicit LittleMemory(std::uint64_t bytes) {
    ::getrlimit(RLIMIT_AS, &before_);
    const std::uint64_t pages = std::stoull(read_file("/proc/self/statm"));
    const rlimit little{pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) + bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_AS, &little);
  }
  ~LittleMemory() { ::setrlimit(RLIMIT_AS, &before_); }

 private:
  rlimit before_{};
};

TEST_F(VideoCheck, NeverHoldsAWholeFile) {
  const Sidecar sidecar = make_clip(VideoCodec::y4m, 640, 480, 120);
  constexpr std::uint64_t allowed = std::uint64_t{32} << 20;
  ASSERT_GT(sidecar.video_bytes, 3 * allowed);
  const LittleMemory memory(allowed);
  for (const Verify verify : all_checks) EXPECT_EQ(fault(verify, sidecar), "");
}

ProgramResult render(const TempFolder& folder, std::vector<std::string> flags) {
  std::vector<std::string> arguments{"render",    "list.yaml", "--model", golden_model_folder(), "--output", "out",
                                     "--threads", "1",         "--json"};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  return run(folder.path(), arguments);
}

/// The status of each clip by its name.
std::map<std::string, std::string> statuses(const ProgramResult& outcome) {
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  std::map<std::string, std::string> all;
  for (const Json& line : json_lines_of(outcome.out))
    if (line.contains("name")) all[line.at("name")] = line.at("status");
  return all;
}

TEST(Render, ADamagedVideoIsFoundByVerifyAndRenderedAgain) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(2));
  ASSERT_EQ(render(folder, {}).code, 0);
  const Json sidecar = Json::parse(read_file(folder / "out/clip-1.json"));
  const std::string name = sidecar.at("video").at("file");
  const Path video = folder / "out" / name;
  EXPECT_EQ(sidecar.at("file_sha256"), sha256_of_file(video));
  std::string content = read_file(video);
  content[content.size() / 2] ^= 1;
  write_file(video, content);

  using Statuses = std::map<std::string, std::string>;
  const Statuses both{{"clip-1", "skipped"}, {"clip-2", "skipped"}}, first{{"clip-1", "done"}, {"clip-2", "skipped"}};
  EXPECT_EQ(statuses(render(folder, {})), both) << "the size is as recorded";
  const ProgramResult outcome = render(folder, {"--verify", "hash"});
  EXPECT_EQ(statuses(outcome), first);
  EXPECT_NE(outcome.err.find(name + ": is not the file that was written"), std::string::npos) << outcome.err;
  EXPECT_EQ(statuses(render(folder, {"--verify", "decode"})), both);
}

TEST(Render, ColorReachesTheFileAndLeavesTheFramesAlone) {
  const TempFolder folder;
  write_file(folder / "list.yaml", small_list(1));
  const auto first_line = [&] {
    const std::string content = read_file(folder / "out/clip-1.y4m");
    return content.substr(0, content.find('\n'));
  };
  const auto usual = json_lines_of(render(folder, {"--codec", "y4m"}).out);
  EXPECT_TRUE(first_line().ends_with("XMATRIX=BT709")) << first_line();
  const auto other = json_lines_of(render(folder, {"--codec", "y4m", "--color", "bt601", "--force"}).out);
  EXPECT_TRUE(first_line().ends_with("XMATRIX=BT601")) << first_line();
  EXPECT_EQ(other.at(0).at("frames_sha256"), usual.at(0).at("frames_sha256"));
}

}  // namespace
}  // namespace wf
