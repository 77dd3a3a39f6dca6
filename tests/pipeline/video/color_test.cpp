// tests/pipeline/video/color_test.cpp: colours that are written come back, to us and to the ffmpeg program, and the
// file says how it stores them: in the bitstream and in the container.
#include <algorithm>
#include <array>

#include "clips.hpp"
#include "pipeline/video/video_writer.hpp"

namespace wf::test {
namespace {

using Colours = VideoTest;
using ColourTags = VideoTest;

using Rgb = std::array<std::uint8_t, 3>;

/// Flat patches, four in a row: the corners of the RGB cube, where BT.601 and BT.709 differ most, and greys.
constexpr std::array<Rgb, 12> colours{{{255, 0, 0},
                                       {0, 255, 0},
                                       {0, 0, 255},
                                       {0, 255, 255},
                                       {255, 0, 255},
                                       {255, 255, 0},
                                       {255, 255, 255},
                                       {0, 0, 0},
                                       {32, 32, 32},
                                       {96, 96, 96},
                                       {160, 160, 160},
                                       {224, 224, 224}}};
constexpr int patch = 48, columns = 4, rows = 3, width = columns * patch, height = rows * patch, frames = 5;

Bytes patches() {
  Bytes rgb;
  for (int y = 0; y < frames * height; ++y) {
    for (int x = 0; x < width; ++x) {
      const Rgb& colour = colours[static_cast<std::size_t>(y % height / patch * columns + x / patch)];
      rgb.insert(rgb.end(), colour.begin(), colour.end());
    }
  }
  return rgb;
}

/// The largest difference from the patches' colours over the inner 16x16 pixels of every patch, out of reach of its
/// neighbours' coarser chroma.
int worst_in_the_middle(const Bytes& rgb) {
  int worst = 0;
  for (int y = 0; y < frames * height; ++y) {
    for (int x = 0; x < width; ++x) {
      const auto inner = [](int at) { return at % patch >= 16 && at % patch < 32; };
      if (!inner(x) || !inner(y)) continue;
      const Rgb& colour = colours[static_cast<std::size_t>(y % height / patch * columns + x / patch)];
      for (std::size_t c = 0; c < 3; ++c)
        worst = std::max(worst, std::abs(rgb[3 * (static_cast<std::size_t>(y) * width + x) + c] - colour[c]));
    }
  }
  return worst;
}

void write_patches(const Path& file, VideoCodec codec, ColorMatrix matrix) {
  write_video(file, {.width = width, .height = height, .fps = 16, .codec = codec, .color = matrix}, patches());
}

TEST_F(Colours, SaturatedPatchesAreReadBackWithinTwo) {
  for (const VideoCodec codec : all_codecs) {
    for (const ColorMatrix matrix : all_color_matrices) {
      write_patches(file("clip"), codec, matrix);
      const Bytes back = read_all(file("clip"));
      ASSERT_EQ(back.size(), patches().size());
      const int worst = worst_in_the_middle(back);
      std::printf("%s %s: largest difference %d of 2 allowed\n", to_string(codec), to_string(matrix), worst);
      EXPECT_LE(worst, 2) << to_string(codec) << " " << to_string(matrix);
    }
  }
}

/// Range, matrix, transfer and primaries of a file, as ffprobe finds them. format: the file's, or "" to let it guess.
std::string tags_of(const Path& file, const std::string& format = "") {
  std::string tags = output_of("ffprobe -v error " + format + " -select_streams v:0 -of csv=p=0 -show_entries " +
                               "stream=color_range,color_space,color_transfer,color_primaries " + quoted(file));
  tags.erase(tags.find_last_not_of(",\r\n") + 1);
  return tags;
}

/// What the tags of H.264 and HEVC must be.
std::string expected_tags(ColorMatrix matrix) {
  return matrix == ColorMatrix::bt709 ? "tv,bt709,bt709,bt709" : "tv,smpte170m,smpte170m,bt709";
}

TEST_F(ColourTags, FfprobeFindsThemInEveryContainer) {
  for (const ColorMatrix matrix : all_color_matrices) {
    for (const VideoCodec codec : {VideoCodec::h264, VideoCodec::hevc}) {
      write_patches(file("clip"), codec, matrix);
      EXPECT_EQ(tags_of(file("clip")), expected_tags(matrix)) << to_string(codec);
    }
    write_patches(file("clip"), VideoCodec::ffv1, matrix);
    EXPECT_EQ(tags_of(file("clip")), "pc,gbr,bt709,bt709") << "FFV1 keeps RGB";
    write_patches(file("clip"), VideoCodec::y4m, matrix);
    EXPECT_EQ(tags_of(file("clip")), "tv,unknown,unknown,unknown") << "Y4M has a field for the range alone";
  }
}

TEST_F(ColourTags, TheBitstreamHasThemWithoutTheContainer) {
  for (const ColorMatrix matrix : all_color_matrices) {
    for (const VideoCodec codec : {VideoCodec::h264, VideoCodec::hevc}) {
      write_patches(file("clip.mp4"), codec, matrix);
      output_of("ffmpeg -v error -y -i " + quoted(file("clip.mp4")) + " -c copy -f " + to_string(codec) + " " +
                quoted(file("stream")));
      EXPECT_EQ(tags_of(file("stream"), std::string("-f ") + to_string(codec)), expected_tags(matrix))
          << to_string(codec);
    }
  }
}

TEST_F(ColourTags, TheContainerHasThemWithoutTheBitstream) {
  // The atom `colr` of kind nclx (ISO/IEC 14496-12): primaries, transfer and matrix in two bytes each, then the range.
  for (const VideoCodec codec : {VideoCodec::h264, VideoCodec::hevc}) {
    for (const ColorMatrix matrix : all_color_matrices) {
      write_patches(file("clip"), codec, matrix);
      const std::string content = read_file(file("clip")), name = "colrnclx";
      const std::size_t atom = content.find(name);
      ASSERT_NE(atom, std::string::npos) << to_string(codec);
      const char other = matrix == ColorMatrix::bt709 ? 1 : 6;
      EXPECT_EQ(content.substr(atom + name.size(), 7), (std::string{0, 1, 0, other, 0, other, 0})) << to_string(codec);
    }
  }
}

TEST_F(ColourTags, FfmpegShowsTheColoursThatWereWritten) {
  for (const VideoCodec codec : {VideoCodec::h264, VideoCodec::hevc, VideoCodec::ffv1}) {
    for (const ColorMatrix matrix : all_color_matrices) {
      write_patches(file("clip"), codec, matrix);
      output_of("ffmpeg -v error -y -i " + quoted(file("clip")) + " -sws_flags bicubic+accurate_rnd+full_chroma_int" +
                " -pix_fmt rgb24 -f rawvideo " + quoted(file("raw")));
      const std::string theirs = read_file(file("raw"));
      ASSERT_EQ(theirs.size(), patches().size());
      EXPECT_LE(worst_in_the_middle({theirs.begin(), theirs.end()}), 2) << to_string(codec) << to_string(matrix);
    }
  }
}

TEST_F(ColourTags, AFileWithoutThemIsReadAsBt601) {
  write_patches(file("clip.mp4"), VideoCodec::h264, ColorMatrix::bt601);
  output_of("ffmpeg -v error -i " + quoted(file("clip.mp4")) +
            " -c:v rawvideo -color_range unknown -colorspace unknown " +
            quoted(file("untagged.avi")));  // AVI has no place for tags
  EXPECT_LE(worst_in_the_middle(read_all(file("untagged.avi"))), 2);
}

}  // namespace
}  // namespace wf::test
