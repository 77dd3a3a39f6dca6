// tests/launcher/preview/preview_test.cpp: rows of pictures fit into the terminal and cannot write anything else to it,
// and a clip's frames come from its contact sheet or its video.
#include "launcher/preview/preview.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "base/error.hpp"
#include "jobs/output/publish.hpp"
#include "launcher/preview/frames.hpp"
#include "pipeline/video/contact_sheet.hpp"
#include "pipeline/video/video_writer.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

using test::TempFolder;

Picture plain(PictureSize size, int value) {
  Picture picture(size);
  std::fill(picture.rgb.begin(), picture.rgb.end(), static_cast<std::uint8_t>(value));
  return picture;
}

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t found = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + what.size())) ++found;
  return found;
}

/// Half blocks in the widest line.
std::size_t widest(const std::string& text) {
  std::size_t most = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) most = std::max(most, count(line, "\u2580"));
  return most;
}

PreviewRow row_of(PictureSize size) { return {"name", "about", "prompt", std::vector<Picture>(4, plain(size, 90))}; }

TEST(PreviewRow, IsAsWideAsTheScreenAllows) {
  EXPECT_EQ(widest(to_text(row_of({318, 180}), Graphics::blocks, {.columns = 80})), 4u * 19);
  EXPECT_EQ(widest(to_text(row_of({318, 180}), Graphics::blocks, {.columns = 300})), 4u * 40);
  EXPECT_EQ(widest(to_text(row_of({318, 180}), Graphics::blocks, {.columns = 2})), 4u);
}

TEST(PreviewRow, KeepsTheProportionsOfItsFrames) {
  const std::string text = to_text(row_of({318, 180}), Graphics::blocks, {.columns = 163});
  EXPECT_EQ(count(text, "\n"), 2u + 12 + 1) << "40 columns, so 23 pixels high, two in a cell";
}

TEST(PreviewRow, OfKittyIsFourPicturesAndTheCursorEndsBelowThem) {
  const std::string text = to_text(row_of({320, 160}), Graphics::kitty, {.columns = 163, .cell = {10, 20}});
  EXPECT_EQ(count(text, "a=T"), 4u);
  EXPECT_EQ(count(text, "c=40,"), 4u);
  EXPECT_EQ(count(text, "\x1b[41C"), 4u);
  EXPECT_EQ(count(text, "\x1b[10A"), 1u) << "400 x 200 pixels are ten lines";
  EXPECT_EQ(count(text, "\n"), 2u + 10 + 10 + 1);
}

TEST(PreviewRow, OfSixelIsOneImage) {
  const std::string text = to_text(row_of({320, 160}), Graphics::sixel, {.columns = 163, .cell = {10, 20}});
  EXPECT_EQ(count(text, "\x1bP"), 1u);
  EXPECT_NE(text.find("\"1;1;1630;200"), std::string::npos);
}

TEST(PreviewRow, TextsCannotSendEscapeSequences) {
  const PreviewRow row{"a\x1b[2Jb",
                       "c\x9b"
                       "d",
                       "line\none \x1b]0;title\x07 end",
                       {}};
  const std::string text = to_text(row, Graphics::blocks, {});
  EXPECT_EQ(count(text, "\x1b"), 4u) << "our own: bold, dim, and their ends";
  EXPECT_EQ(text.find_first_of("\x07\x9b"), std::string::npos);
  EXPECT_NE(text.find("line one"), std::string::npos);
}

TEST(PreviewRow, LongTextsAreCutAtTheEdge) {
  const std::string text = to_text({"n", "", std::string(500, 'x'), {}}, Graphics::blocks, {.columns = 60});
  EXPECT_EQ(count(text, "x"), 59u);
  EXPECT_EQ(count(to_text({"n", "", "漢字漢字漢字漢字漢字漢字漢字", {}}, Graphics::blocks, {.columns = 21}), "字"), 5u)
      << "two columns each";
}

/// A video of nine frames, each brighter than the last.
void write_clip(const Path& file) {
  const auto video = open_video(file, {.width = 64, .height = 32, .fps = 8, .codec = VideoCodec::y4m});
  for (int i = 0; i < 9; ++i) video->append(plain({64, 32}, 20 + 25 * i).rgb);
  video->finish();
}

void expect_levels(const std::vector<Picture>& frames, const std::vector<int>& levels) {
  ASSERT_EQ(frames.size(), levels.size());
  for (std::size_t i = 0; i < frames.size(); ++i) {
    EXPECT_EQ(frames[i].size, frames[0].size);
    EXPECT_NEAR(frames[i].rgb[frames[i].rgb.size() / 2], levels[i], 4) << "frame " << i;
  }
}

TEST(Frames, OfAVideoAreFourInTheOrderOfTime) {
  const TempFolder folder;
  write_clip(folder / "a.y4m");
  expect_levels(frames_of_video(folder / "a.y4m"), {20, 20 + 3 * 25, 20 + 4 * 25, 20 + 8 * 25});
}

TEST(Frames, OfAClipComeFromItsContactSheetOrElseFromItsVideo) {
  const TempFolder folder;
  ClipHistory clip;
  clip.clip.job.width = 64;
  clip.clip.job.height = 32;
  clip.clip.job.frames = 9;
  clip.clip.fingerprint = "f00d";
  clip.file = "a.y4m";
  write_clip(folder / clip.file);
  const std::vector<int> of_video{20, 95, 120, 220};
  expect_levels(frames_of_clip(folder.path(), clip), of_video);
  const Path kept = OutputFolder(folder.path()).contact_sheet("f00d", small_file_ending());
  make_folder(kept.parent_path());
  write_file(kept, to_small_file(plain(sheet_layout({64, 32}).size, 200)));
  expect_levels(frames_of_clip(folder.path(), clip), have_ffmpeg() ? std::vector<int>(4, 200) : of_video);
  write_file(kept, "broken");
  expect_levels(frames_of_clip(folder.path(), clip), of_video);
}

TEST(Frames, NameAFileThatIsNoVideo) {
  const TempFolder folder;
  try {
    frames_of_video(folder.write("a.mp4", "text"));
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::input);
    EXPECT_NE(std::string(error.what()).find("a.mp4"), std::string::npos);
  }
}

}  // namespace
}  // namespace wf
