// tests/pipeline/write_video_test.cpp: frames written on a thread of their own make the files that they would make at
// once, and what goes wrong there is heard.
#include "pipeline/write_video.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <spdlog/fmt/fmt.h>

#include "cluster/error.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

using test::TempFolder;

constexpr int width = 64, height = 48;
const VideoFormat y4m{.width = width, .height = height, .fps = 16, .codec = "y4m"};

/// Frames that differ from each other.
at::Tensor frames(std::int64_t count) {
  return at::arange(count * height * width * 3, at::kInt).remainder(251).to(at::kByte).view({count, height, width, 3});
}

std::string append_in_pieces(FrameWriter& writer, const at::Tensor& all, std::int64_t piece) {
  for (const at::Tensor& some : all.split(piece)) writer.append({some});
  return writer.finish();
}

TEST(FrameWriter, FilesAndHashAreThoseOfTheFramesInTheirOrder) {
  const TempFolder folder;
  const at::Tensor all = frames(41);
  const std::span<const std::uint8_t> bytes(all.const_data_ptr<std::uint8_t>(), all.nbytes());
  const auto at_once = open_video(folder / "at-once", y4m);
  at_once->append(bytes);
  at_once->finish();
  FrameWriter writer(folder / "video", y4m, folder / "png");
  EXPECT_EQ(append_in_pieces(writer, all, 4), Sha256().update(bytes.data(), bytes.size()).hex());
  EXPECT_EQ(read_file(folder / "video"), read_file(folder / "at-once"));
  for (const int i : {1, 2, 41}) {
    const std::size_t frame = bytes.size() / 41;
    write_png(folder / "one.png", bytes.subspan(frame * static_cast<std::size_t>(i - 1), frame), width, height);
    EXPECT_EQ(read_file(folder.path() / "png" / fmt::format("{:05}.png", i)), read_file(folder / "one.png")) << i;
  }
}

TEST(FrameWriter, AFullDiskComesOutOfAppendAndOfFinish) {
  const auto say = [](auto&& action) {
    try {
      action();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Error::storage);
      return std::string(error.what());
    }
    return std::string("no error");
  };
  FrameWriter writer("/dev/full", y4m, {});
  const std::string from_append = say([&] {
    for (int i = 0; i < 1000; ++i) writer.append({frames(9)});
  });
  EXPECT_EQ(from_append, "/dev/full: cannot be written: No space left on device");
  EXPECT_EQ(say([&] { writer.finish(); }), from_append);
}

/// No step of writing a PNG file succeeds while this lives. Made before, and gone after, the thread that writes.
struct FullDisk {
  FullDisk() {
    inject_file_faults([](FileStep step, const Path&) { return step == FileStep::write ? ENOSPC : 0; });
  }
  ~FullDisk() { inject_file_faults({}); }
};

TEST(FrameWriter, APngThatCannotBeWrittenFailsTheClip) {
  const TempFolder folder;
  const FullDisk disk;
  FrameWriter writer(folder / "video", y4m, folder / "png");
  EXPECT_THROW(append_in_pieces(writer, frames(1), 1), Error);
}

TEST(FrameWriter, MayEndInTheMiddle) {
  const TempFolder folder;
  const at::Tensor all = frames(41);
  { FrameWriter nothing(folder / "nothing", y4m, {}); }
  {
    FrameWriter writer(folder / "video", y4m, {});
    for (const at::Tensor& some : all.split(4)) writer.append({some});
  }
  EXPECT_LE(std::filesystem::file_size(folder / "video"), 42u * width * height * 3);
}

TEST(FrameWriter, KeepsNoMoreThanTheFramesThatWait) {
  const TempFolder folder;
  const at::Tensor piece = frames(4);
  FrameWriter writer(folder / "video", y4m, folder / "png");  // PNGs take their time
  std::size_t most = 0;
  for (int i = 0; i < 12; ++i) {
    writer.append({piece});
    most = std::max(most, piece.use_count());
  }
  writer.finish();
  EXPECT_LE(most, 1u + 3 + 1) << "ours, those that wait, and the one at work";
  EXPECT_EQ(piece.use_count(), 1u);
}

}  // namespace
}  // namespace wf
