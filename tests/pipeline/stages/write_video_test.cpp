// tests/pipeline/stages/write_video_test.cpp: frames written by the background thread make the same files as written
// directly, and its errors reach the caller.
#include "pipeline/stages/write_video.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <spdlog/fmt/fmt.h>

#include "base/error.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

using test::TempFolder;

constexpr int width = 64, height = 48;
const VideoFormat y4m{.width = width, .height = height, .fps = 16, .codec = VideoCodec::y4m};

/// `count` frames that differ from each other.
at::Tensor frames(std::int64_t count) {
  return at::arange(count * height * width * 3, at::kInt).remainder(251).to(at::kByte).view({count, height, width, 3});
}

std::string append_in_chunks(FrameWriter& writer, const at::Tensor& all, std::int64_t chunk) {
  for (const at::Tensor& some : all.split(chunk)) writer.append({some});
  return writer.finish();
}

TEST(FrameWriter, FilesAndHashEqualThoseOfWritingDirectly) {
  const TempFolder folder;
  const at::Tensor all = frames(41);
  const std::span<const std::uint8_t> bytes(all.const_data_ptr<std::uint8_t>(), all.nbytes());
  const auto at_once = open_video(folder / "at-once", y4m);
  at_once->append(bytes);
  at_once->finish();
  FrameWriter writer(folder / "video", y4m, folder / "png");
  EXPECT_EQ(append_in_chunks(writer, all, 4), Sha256().update(bytes.data(), bytes.size()).hex());
  EXPECT_EQ(read_file(folder / "video"), read_file(folder / "at-once"));
  for (const int i : {1, 2, 41}) {
    const std::size_t frame = bytes.size() / 41;
    write_png(folder / "one.png", bytes.subspan(frame * static_cast<std::size_t>(i - 1), frame), width, height);
    EXPECT_EQ(read_file(folder.path() / "png" / fmt::format("{:05}.png", i)), read_file(folder / "one.png")) << i;
  }
}

TEST(FrameWriter, AFullDiskIsThrownByAppendAndByFinish) {
  const auto error_of = [](auto&& action) {
    try {
      action();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Error::storage);
      return std::string(error.what());
    }
    return std::string("no error");
  };
  FrameWriter writer("/dev/full", y4m, {});
  const std::string from_append = error_of([&] {
    for (int i = 0; i < 1000; ++i) writer.append({frames(9)});
  });
  EXPECT_EQ(from_append, "/dev/full: cannot be written: No space left on device");
  EXPECT_EQ(error_of([&] { writer.finish(); }), from_append);
}

/// Makes every write of a PNG file fail while it exists. It must outlive the thread that writes.
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
  EXPECT_THROW(append_in_chunks(writer, frames(1), 1), Error);
}

TEST(FrameWriter, TheContactSheetIsThatOfTheFramesInWhateverChunksTheyCome) {
  const TempFolder folder;
  const at::Tensor all = frames(41);
  ContactSheet expected({width, height}, 41);
  for (const at::Tensor& frame : all.unbind(0))
    expected.add({frame.const_data_ptr<std::uint8_t>(), static_cast<std::size_t>(frame.numel())});
  for (const std::int64_t chunk : {1, 4, 41}) {
    FrameWriter writer(folder / "video", y4m, {}, 41);
    append_in_chunks(writer, all, chunk);
    EXPECT_EQ(writer.take_sheet(), to_small_file(expected.picture())) << "in chunks of " << chunk;
  }
}

TEST(FrameWriter, MayBeDestroyedBeforeFinish) {
  const TempFolder folder;
  const at::Tensor all = frames(41);
  { FrameWriter nothing(folder / "nothing", y4m, {}); }
  {
    FrameWriter writer(folder / "video", y4m, {});
    for (const at::Tensor& some : all.split(4)) writer.append({some});
  }
  EXPECT_LE(std::filesystem::file_size(folder / "video"), 42u * width * height * 3);
}

TEST(FrameWriter, HoldsTheFramesOfAtMostFourCalls) {
  const TempFolder folder;
  const at::Tensor chunk = frames(4);
  FrameWriter writer(folder / "video", y4m, folder / "png");  // PNG files make the writer slower than the caller
  std::size_t most = 0;
  for (int i = 0; i < 12; ++i) {
    writer.append({chunk});
    most = std::max(most, chunk.use_count());
  }
  writer.finish();
  EXPECT_LE(most, 1u + 3 + 1) << "ours, the waiting ones, and the one being written";
  EXPECT_EQ(chunk.use_count(), 1u);
}

}  // namespace
}  // namespace wf
