// tests/pipeline/video/compare_test.cpp: results known by reasoning, in every build.
#include "pipeline/video/compare.hpp"

#include <cmath>

#include "clips.hpp"

namespace wf::test {
namespace {

class Compare : public VideoTest {
 protected:
  Path clip(const std::string& name, int width, int height, const Bytes& rgb) const {
    write_video(file(name), {width, height, 16, VideoCodec::y4m}, rgb);
    return file(name);
  }
  /// A clip of 16x16 pixels of one grey level.
  Path grey(const std::string& name, int frames, std::uint8_t level) const {
    return clip(name, 16, 16, Bytes(std::size_t{768} * frames, level));
  }
};

TEST_F(Compare, AVideoEqualsItself) {
  const Path a = clip("a", 64, 48, noise(64, 48, 3, 1));
  const Comparison same = compare(a, a);
  EXPECT_EQ(same.width, 64);
  EXPECT_EQ(same.height, 48);
  EXPECT_EQ(same.frames, 3);
  EXPECT_EQ(same.mae, 0);
  EXPECT_EQ(same.max, 0);
  EXPECT_EQ(same.psnr, INFINITY);
  EXPECT_DOUBLE_EQ(same.ssim, 1);
}

TEST_F(Compare, TwoGreysAreTheirDifferenceApart) {
  const Comparison greys = compare(grey("a", 2, 100), grey("b", 2, 102));  // Y4M keeps both levels exactly
  EXPECT_DOUBLE_EQ(greys.mae, 2);
  EXPECT_DOUBLE_EQ(greys.max, 2);
  EXPECT_DOUBLE_EQ(greys.psnr, 10 * std::log10(255.0 * 255 / 4));
  const double c1 = std::pow(0.01 * 255, 2);  // without variance only the first factor is left
  EXPECT_NEAR(greys.ssim, (2 * 100 * 102 + c1) / (100 * 100 + 102 * 102 + c1), 1e-6);
}

TEST_F(Compare, MeanAndMaximumGoOverAllFrames) {
  Bytes a(768 * 4, 100), b = a;
  std::fill(b.begin(), b.begin() + 768, 140);
  const Comparison one_of_four = compare(clip("a", 16, 16, a), clip("b", 16, 16, b));
  EXPECT_DOUBLE_EQ(one_of_four.mae, 10);
  EXPECT_DOUBLE_EQ(one_of_four.max, 40);
  EXPECT_DOUBLE_EQ(one_of_four.psnr, 10 * std::log10(255.0 * 255 / 400));
}

TEST_F(Compare, UnrelatedNoiseHasHardlyAnyStructureInCommon) {
  const Comparison apart = compare(clip("a", 64, 64, noise(64, 64, 2, 1)), clip("b", 64, 64, noise(64, 64, 2, 2)));
  EXPECT_LT(std::abs(apart.ssim), 0.05);
  EXPECT_GT(apart.max, 200);
}

TEST_F(Compare, SsimOfPicturesSmallerThanAWindowIsDefined) {
  const Path a = clip("a", 6, 4, noise(6, 4, 1, 1));
  EXPECT_DOUBLE_EQ(compare(a, a).ssim, 1);
}

TEST_F(Compare, DifferentSizesAndLengthsAreRefusedNamingBothFiles) {
  const Path small = grey("a", 2, 0), longer = grey("b", 5, 0), wide = clip("c", 32, 16, Bytes(1536));
  EXPECT_EQ(error_of(Error::input, [&] { compare(small, longer); }),
            small.string() + " and " + longer.string() + " cannot be compared: the first has 2 frames, the second 5");
  EXPECT_EQ(
      error_of(Error::input, [&] { compare(small, wide); }),
      small.string() + " and " + wide.string() + " cannot be compared: the first has 16x16 pixels, the second 32x16");
}

TEST_F(Compare, MissingBrokenAndEmptyFilesAreNamed) {
  const Path good = grey("good", 1, 0), empty = clip("empty", 16, 16, {}), missing = file("missing"),
             text = file("text");
  write_file(text, "not a video");
  for (const Path& bad : {empty, missing, text}) {
    const std::string what = error_of(Error::input, [&] { compare(bad, bad); });
    EXPECT_EQ(what.rfind(bad.string(), 0), 0u) << what;
  }
  EXPECT_NE(error_of(Error::input, [&] { compare(good, missing); }).find("missing"), std::string::npos);
}

}  // namespace
}  // namespace wf::test
