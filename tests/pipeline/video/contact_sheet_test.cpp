// tests/pipeline/video/contact_sheet_test.cpp: pictures keep their colours and places when they are scaled, and a
// clip's contact sheet shows the frames that it says, where it says.
#include "pipeline/video/contact_sheet.hpp"

#include <cmath>

#include "clips.hpp"

namespace wf::test {
namespace {

using Rgb = std::array<int, 3>;

Picture plain(PictureSize size, const Rgb& colour) {
  Picture picture(size);
  for (std::size_t i = 0; i < picture.rgb.size(); ++i) picture.rgb[i] = static_cast<std::uint8_t>(colour[i % 3]);
  return picture;
}

Rgb pixel(const Picture& picture, int x, int y) {
  const std::uint8_t* at = picture.rgb.data() + std::size_t{3} * (y * picture.size.width + x);
  return {at[0], at[1], at[2]};
}

/// The largest difference of one channel.
int difference(const Rgb& a, const Rgb& b) {
  int most = 0;
  for (std::size_t i = 0; i < 3; ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

TEST(Picture, APlainOneKeepsItsColourInEverySize) {
  const Rgb colour{250, 3, 128};
  const Picture plain_one = plain({37, 21}, colour);
  for (const PictureSize to : {PictureSize{1, 1}, {5, 3}, {37, 21}, {64, 90}, {200, 2}}) {
    const Picture result = scaled(plain_one.rgb, plain_one.size, to);
    ASSERT_EQ(result.size, to);
    EXPECT_EQ(result.rgb, plain(to, colour).rgb) << to.width << "x" << to.height;
  }
}

TEST(Picture, ScalingToItsOwnSizeChangesNothing) {
  const Bytes rgb = noise(33, 17, 1, 5);
  EXPECT_EQ(scaled(rgb, {33, 17}, {33, 17}).rgb, rgb);
}

/// A cosine of two waves over the width: [height, width, 3].
Picture waves(PictureSize size) {
  Picture picture(size);
  for (std::size_t i = 0; i < picture.rgb.size(); ++i) {
    const double x = (static_cast<double>(i / 3 % static_cast<std::size_t>(size.width)) + 0.5) / size.width;
    picture.rgb[i] = static_cast<std::uint8_t>(std::lround(127.5 + 100 * std::cos(12.566 * x)));
  }
  return picture;
}

TEST(Picture, AWaveStaysInPlaceWhenItIsScaledUpOrDown) {
  const Picture wave = waves({320, 40});
  for (const PictureSize to : {PictureSize{106, 13}, {800, 100}}) {
    const Picture result = scaled(wave.rgb, wave.size, to), expected = waves(to);
    for (int x = 8; x < to.width - 8; ++x)
      EXPECT_LE(difference(pixel(result, x, to.height / 2), pixel(expected, x, to.height / 2)), 3) << x;
  }
}

TEST(Picture, FineLinesBecomeGreyInsteadOfAliasing) {
  Picture lines({400, 8});
  for (std::size_t i = 0; i < lines.rgb.size(); ++i) lines.rgb[i] = i / 3 % 2 ? 255 : 0;
  const Picture result = scaled(lines.rgb, lines.size, {60, 4});
  for (int x = 2; x < 58; ++x) EXPECT_LE(difference(pixel(result, x, 2), {128, 128, 128}), 12) << x;
}

TEST(Picture, WhatIsPastedIsCutOutAgain) {
  Picture picture = plain({20, 10}, {9, 9, 9});
  Picture part({4, 3});
  part.rgb = noise(4, 3, 1, 1);
  paste(part, picture, 16, 7);
  EXPECT_EQ(cut(picture, {16, 7, {4, 3}}).rgb, part.rgb);
  EXPECT_EQ(pixel(picture, 15, 9), (Rgb{9, 9, 9}));
  EXPECT_EQ(pixel(picture, 19, 6), (Rgb{9, 9, 9}));
}

TEST(SheetLayout, FramesAreBelowWideClipsAndBesideOthersAndNeverOverlap) {
  for (const PictureSize clip :
       {PictureSize{1280, 720}, {832, 480}, {160, 96}, {480, 832}, {96, 96}, {4096, 16}, {16, 4096}}) {
    const SheetLayout layout = sheet_layout(clip);
    EXPECT_EQ(layout.below, 3 * clip.width >= 4 * clip.height);
    EXPECT_EQ(std::max(layout.areas[0].size.width, layout.areas[0].size.height), 318);
    Picture covered(layout.size);
    for (const PictureArea& area : layout.areas) {
      const Picture part = cut(covered, area);
      EXPECT_EQ(part.rgb, Bytes(part.rgb.size(), 0)) << "overlaps";
      paste(plain(area.size, {1, 1, 1}), covered, area.x, area.y);
    }
    EXPECT_EQ(covered.rgb, Bytes(covered.rgb.size(), 1)) << clip.width << "x" << clip.height << " has gaps";
  }
}

TEST(SheetFrames, ArePosterFirstMiddleAndLast) {
  EXPECT_EQ(sheet_frames(81), (std::array{27, 0, 40, 80}));
  EXPECT_EQ(sheet_frames(5), (std::array{1, 0, 2, 4}));
  EXPECT_EQ(sheet_frames(1), (std::array{0, 0, 0, 0}));
}

Rgb colour_of_frame(int frame) { return {frame * 30, 255 - frame * 30, 60}; }

/// `frames` plain frames, each with a colour of its own.
Bytes coloured_frames(PictureSize size, int frames) {
  Bytes rgb;
  for (int i = 0; i < frames; ++i) {
    const Picture frame = plain(size, colour_of_frame(i));
    rgb.insert(rgb.end(), frame.rgb.begin(), frame.rgb.end());
  }
  return rgb;
}

/// Expects that the sheet shows frames of coloured_frames(), each within `tolerance` of 255.
void expect_frames(const Picture& sheet, PictureSize clip, int frames, int tolerance) {
  const SheetLayout layout = sheet_layout(clip);
  ASSERT_EQ(sheet.size, layout.size);
  for (std::size_t i = 0; i < 4; ++i) {
    const auto& [x, y, size] = layout.areas[i];
    const Rgb seen = pixel(sheet, x + size.width / 2, y + size.height / 2);
    EXPECT_LE(difference(seen, colour_of_frame(sheet_frames(frames)[i])), tolerance) << "picture " << i;
  }
}

TEST(ContactSheet, ShowsItsFourFrames) {
  const PictureSize size{64, 48};
  ContactSheet sheet(size, 9);
  const Bytes rgb = coloured_frames(size, 9);
  const std::size_t frame = rgb.size() / 9;
  for (std::size_t i = 0; i < 9; ++i) sheet.add(std::span(rgb).subspan(i * frame, frame));
  expect_frames(sheet.picture(), size, 9, 0);
}

using SheetOfAFile = VideoTest;

TEST_F(SheetOfAFile, IsMadeOfEveryVideoThatThisBuildWrites) {
  for (const VideoCodec codec : all_codecs) {
    if (!can_read(codec)) continue;
    const VideoFormat format{.width = 64, .height = 48, .fps = 8, .codec = codec};
    write_video(file(to_string(codec)), format, coloured_frames({64, 48}, 9));
    expect_frames(contact_sheet(file(to_string(codec))), {64, 48}, 9, 6);
    expect_frames(contact_sheet(file(to_string(codec)), 9), {64, 48}, 9, 6);
  }
}

TEST_F(SheetOfAFile, IsASmallFileThatIsReadBack) {
  Picture picture({318, 240});
  picture.rgb = moving_gradient(318, 240, 1);
  const std::string bytes = to_small_file(picture);
  EXPECT_TRUE(is_whole_file(bytes));
  EXPECT_FALSE(is_whole_file(bytes.substr(0, bytes.size() - 1)));
  if (small_file_ending() == "png") {
    EXPECT_EQ(bytes, to_png(picture));
    return;
  }
  EXPECT_LT(bytes.size(), 12'000u);
  write_file(file("a.jpg"), bytes);
  Picture back(picture.size);
  ASSERT_TRUE(read_video(file("a.jpg"))->next(back.rgb));
  double sum = 0;
  for (std::size_t i = 0; i < back.rgb.size(); ++i) sum += std::abs(back.rgb[i] - picture.rgb[i]);
  EXPECT_LT(sum / static_cast<double>(back.rgb.size()), 3) << "mean difference of 255";
}

TEST_F(SheetOfAFile, NamesAFileThatIsNoVideo) {
  write_file(file("a.mp4"), "no video");
  const std::string what = error_of(Error::input, [&] { contact_sheet(file("a.mp4")); });
  EXPECT_NE(what.find(file("a.mp4").string()), std::string::npos) << what;
}

}  // namespace
}  // namespace wf::test
