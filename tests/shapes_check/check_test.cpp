// tests/shapes_check/check_test.cpp: the checker on drawn clips, whose content is known.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>

#include "models/shapes/world/draw.hpp"
#include "tests/shapes_check/report.hpp"
#include "tests/shapes_check/verdict.hpp"

namespace wf::shapes {
namespace {

using Damage = std::function<at::Tensor(const at::Tensor&)>;  // maps [3, frames, height, width] in [-1, 1]

Clip to_clip(const at::Tensor& frames) {
  const at::Tensor values = ((frames + 1) / 2).permute({1, 2, 3, 0}).contiguous();
  Clip clip{static_cast<int>(values.size(0)), static_cast<int>(values.size(1)), static_cast<int>(values.size(2)), {}};
  const Rgb* first = reinterpret_cast<const Rgb*>(values.data_ptr<float>());
  clip.pixels.assign(first, first + values.numel() / 3);
  return clip;
}

Verdict verdict_of(const Scene& scene, ClipSize size, const Damage& damage) {
  return look(to_clip(damage(draw(std::span(&scene, 1), size, at::kCPU)[0])));
}

at::Tensor clean(const at::Tensor& frames) { return frames; }

// Adds noise with a standard deviation of 0.1 of the range from black to white, in each channel of each pixel.
at::Tensor noisy(const at::Tensor& frames) { return frames + 0.2 * at::randn_like(frames); }

// Blurs with a Gaussian of 1.2 pixels, then overshoots by a tenth.
at::Tensor blurred(const at::Tensor& frames) {
  const at::Tensor line = (-(at::arange(-4, 5, at::kFloat) / 1.2).square() / 2).exp();
  const at::Tensor kernel = line / line.sum();
  const at::Tensor flat = at::replication_pad2d(frames.flatten(0, 1), {4, 4, 4, 4}).unsqueeze(1);
  const at::Tensor wide = at::conv2d(flat, kernel.view({1, 1, 1, 9}));
  return (1.1 * at::conv2d(wide, kernel.view({1, 1, 9, 1}))).view_as(frames);
}

// Halves the resolution, lets colours vary by a tenth in space and time, and reduces contrast to four fifths.
at::Tensor patchy(const at::Tensor& frames) {
  const at::Tensor images = frames.transpose(0, 1);
  const at::Tensor coarse = at::upsample_bilinear2d(at::avg_pool2d(images, 2), images.sizes().slice(2), false);
  const at::Tensor patches =
      at::upsample_bilinear2d(at::randn({images.size(0), 3, 6, 6}), images.sizes().slice(2), false);
  return (0.8 * coarse + 0.2 * patches).transpose(0, 1);
}

// Replaces each frame by the mean of three.
at::Tensor with_trails(const at::Tensor& frames) {
  const at::Tensor longer = at::replication_pad3d(frames.unsqueeze(0), {0, 0, 0, 0, 1, 1});
  return at::avg_pool3d(longer, {3, 1, 1}, {1, 1, 1})[0];
}

Tally tally(int scenes, ClipSize size, const Damage& damage) {
  at::manual_seed(1);
  Tally right;
  for (int i = 0; i < scenes; ++i) {
    const auto seed = static_cast<std::uint64_t>(i) + 1000;
    const Scene scene = random_scene(seed);
    const Verdict seen = verdict_of(scene, size, damage);
    const Marks marks = compare(seen, truth(scene));
    if (!marks.all()) std::cout << seed << ": " << to_json(truth(scene)) << " seen as " << to_json(seen) << "\n";
    right.add(marks);
  }
  right.print(std::cout);
  return right;
}

void expect_at_least(double least, const Tally& right) {
  for (const auto part : {&Marks::colour, &Marks::background, &Marks::motion, &Marks::figure, &Marks::others})
    EXPECT_GE(right.share(part), least);
}

TEST(Check, ReadsCleanClips) { expect_at_least(0.98, tally(200, {17, 96, 96}, clean)); }
TEST(Check, ReadsWideClips) { expect_at_least(0.98, tally(50, {17, 96, 160}, clean)); }
TEST(Check, ReadsNoisyClips) { expect_at_least(0.95, tally(200, {17, 96, 96}, noisy)); }
TEST(Check, ReadsBlurredClips) { expect_at_least(0.95, tally(200, {17, 96, 96}, blurred)); }
TEST(Check, ReadsPatchyClips) { expect_at_least(0.95, tally(100, {17, 96, 96}, patchy)); }
TEST(Check, ReadsClipsWithTrails) { expect_at_least(0.95, tally(100, {17, 96, 96}, with_trails)); }

// One thing differs from what was expected, and only its mark is missing.
TEST(Check, FindsTheOneThingThatIsWrong) {
  Scene asked;
  asked.shapes = {{Figure::star, Colour::red, Size::large, Motion::right, {}}};
  asked.shapes[0].track = {.x = 0.3, .y = 0.5, .dx = 0.4, .radius = 0.24};
  asked.background = {Colour::blue, Colour::black};
  const auto marks_of = [&](const auto& change) {
    Scene shown = asked;
    change(shown);
    return compare(verdict_of(shown, {17, 96, 96}, clean), truth(asked));
  };
  const auto is = [](const Marks& marks, const Marks& expected) {
    return marks.colour == expected.colour && marks.background == expected.background &&
           marks.motion == expected.motion && marks.figure == expected.figure && marks.others == expected.others;
  };
  EXPECT_TRUE(is(marks_of([](Scene&) {}), {true, true, true, true, true}));
  EXPECT_TRUE(is(marks_of([](Scene& s) { s.shapes[0].colour = Colour::orange; }), {false, true, true, true, true}));
  EXPECT_TRUE(is(marks_of([](Scene& s) { s.background.to = Colour::grey; }), {true, false, true, true, true}));
  EXPECT_TRUE(is(marks_of([](Scene& s) { s.background.to.reset(); }), {true, false, true, true, true}));
  EXPECT_TRUE(is(marks_of([](Scene& s) { std::swap(s.background.colour, *s.background.to); }),
                 {true, false, true, true, true}));
  EXPECT_TRUE(is(marks_of([](Scene& s) { s.shapes[0].track.dx = 0; }), {true, true, false, true, true}));
  EXPECT_TRUE(is(marks_of([](Scene& s) { s.shapes[0].track.dy = 0.2; }), {true, true, false, true, true}));
  EXPECT_TRUE(is(marks_of([](Scene& s) { s.shapes[0].figure = Figure::square; }), {true, true, true, false, true}));
  EXPECT_TRUE(is(marks_of([](Scene& s) {
                   s.shapes.push_back(s.shapes[0]);
                   s.shapes[1].colour = Colour::white;
                   s.shapes[1].track = {.x = 0.8, .y = 0.15, .radius = 0.12};
                 }),
                 {true, true, true, true, false}));
}

TEST(Check, SeesNoShapeInAnEmptyScene) {
  for (const Damage& damage : {Damage(clean), Damage(noisy)}) {
    Clip clip = to_clip(damage(at::linspace(-1, 1, 96).expand({3, 17, 96, 96})));
    const Verdict seen = look(clip);
    EXPECT_EQ(seen.background, (std::vector{Colour::black, Colour::white}));
    EXPECT_FALSE(seen.colour || seen.figure || seen.motion || !seen.others.empty());
  }
}

TEST(Check, SeesNoShapeInNoise) {
  at::manual_seed(2);
  const Verdict seen = look(to_clip(2 * at::rand({3, 17, 96, 96}) - 1));
  EXPECT_FALSE(seen.colour || seen.motion) << to_json(seen);
}

TEST(Check, ASingleFrameHasNoMotion) {
  Scene scene = random_scene(1);
  EXPECT_EQ(verdict_of(scene, {1, 96, 96}, clean).motion, Motion::still);
}

}  // namespace
}  // namespace wf::shapes
