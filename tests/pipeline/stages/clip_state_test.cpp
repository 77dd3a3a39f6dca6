// tests/pipeline/stages/clip_state_test.cpp: a clip's state packed and unpacked, bit for bit, on the test's device.
#include "pipeline/stages/clip_state.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "tests/golden.hpp"

namespace wf {
namespace {

/// A clip between the experts. Its sample is larger than half of the pinned window through which a GPU copies.
Clip half_done() {
  const at::Tensor x = at::randn({16, 3, 480, 208}, test::device());
  Clip clip;
  clip.text = {{at::randn({7, 64}).to(at::kBFloat16)}, {at::randn({512, 64})}};
  clip.state = {x, {x + 1, x.transpose(2, 3), {}, 2}, 3};
  clip.seconds = {{"text", 0.1}, {"high", 1.0 / 3}};
  clip.device_bytes = {{"high", 1ull << 40}};
  clip.ranks = {{"high", "0-3"}};
  clip.steps_resumed = 1;
  return clip;
}

TEST(ClipState, AClipComesBackBitForBit) {
  const Clip clip = half_done();
  Clip back;
  unpack(pack(clip), back, test::device());
  EXPECT_TRUE(at::equal(back.text.prompt.text, clip.text.prompt.text));
  EXPECT_TRUE(at::equal(back.text.negative.text, clip.text.negative.text));
  EXPECT_TRUE(back.text.prompt.text.is_cpu());
  EXPECT_EQ(back.state.x.device(), clip.state.x.device());
  EXPECT_TRUE(at::equal(back.state.x, clip.state.x));
  EXPECT_TRUE(at::equal(back.state.solver.corrected, clip.state.solver.corrected));
  EXPECT_TRUE(at::equal(back.state.solver.m1, clip.state.solver.m1)) << "not contiguous";
  EXPECT_FALSE(back.state.solver.m2.defined());
  EXPECT_FALSE(back.latents.x.defined());
  EXPECT_EQ(back.state.step, 3);
  EXPECT_EQ(back.state.solver.order, 2);
  EXPECT_EQ(back.seconds, clip.seconds);
  EXPECT_EQ(back.device_bytes, clip.device_bytes);
  EXPECT_EQ(back.ranks, clip.ranks);
  EXPECT_EQ(back.steps_resumed, 1);
}

TEST(ClipState, IsNoLargerThanItsTensorsAndASmallHeader) {
  const Clip clip = half_done();
  const std::size_t tensors = 3 * clip.state.x.nbytes() + 7 * 64 * 2 + 512 * 64 * 4;
  const Bytes packed = pack(clip);
  EXPECT_GT(packed.size(), tensors);
  EXPECT_LT(packed.size(), tensors + 1000);
  EXPECT_EQ(packed.capacity(), packed.size());
}

TEST(ClipState, AClipWithoutGuidanceHasNoNegativeText) {
  Clip clip = half_done(), back = half_done();
  clip.text.negative = {};
  unpack(pack(clip), back, test::device());
  EXPECT_TRUE(at::equal(back.text.prompt.text, clip.text.prompt.text));
  EXPECT_FALSE(back.text.negative.text.defined());
  EXPECT_TRUE(at::equal(back.state.x, clip.state.x));
}

TEST(ClipState, ATensorWithoutElementsKeepsItsShape) {
  Clip clip, back;
  clip.text.prompt.text = at::empty({0, 64});
  unpack(pack(clip), back, test::device());
  EXPECT_EQ(back.text.prompt.text.sizes(), clip.text.prompt.text.sizes());
}

TEST(ClipState, BytesCutShortAreAnError) {
  Clip clip, back;
  clip.latents.x = at::arange(10, at::kFloat);
  Bytes packed = pack(clip);
  packed.pop_back();
  EXPECT_THROW(unpack(packed, back, test::device()), Error);
  packed.resize(4);
  EXPECT_THROW(unpack(packed, back, test::device()), Error);
}

}  // namespace
}  // namespace wf
