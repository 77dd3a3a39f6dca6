// tests/shapes_check/world_test.cpp: scenes keep the promises of their header, captions describe the whole scene, and
// frames match a per-pixel oracle.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <set>
#include <string>

#include "models/shapes/world/caption.hpp"
#include "models/shapes/world/draw.hpp"
#include "models/shapes/world/random.hpp"
#include "models/shapes/world/scene.hpp"

namespace wf::shapes {
namespace {

constexpr double pi = 3.14159265358979323846;

struct Place {
  double x, y, radius, turn;  // pixels, radians
};

Place place(const Track& t, double u, ClipSize size) {
  const double side = std::min(size.height, size.width), a = t.phase + 2 * pi * u;
  return {(t.x + t.dx * u) * size.width + t.orbit * std::cos(a) * side,
          (t.y + t.dy * u) * size.height + t.orbit * std::sin(a) * side, (t.radius + t.growth * u) * side, t.spin * u};
}

// True if a point, in radii from the centre and turned back, lies in a polygon. Uses the corners, unlike draw.cpp.
bool in_polygon(double x, double y, int corners, double inner, double upright) {
  const int points = inner > 0 ? 2 * corners : corners;
  bool inside = false;
  for (int i = 0; i < points; ++i) {
    const auto corner = [&](int k) {
      const double a = upright - pi / 2 + 2 * pi * k / points, r = inner > 0 && k % 2 == 1 ? inner : 1;
      return std::pair(r * std::cos(a), r * std::sin(a));
    };
    const auto [ax, ay] = corner(i);
    const auto [bx, by] = corner((i + 1) % points);
    if ((ay > y) != (by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax) inside = !inside;
  }
  return inside;
}

bool in_figure(Figure figure, double x, double y) {
  const double r = std::hypot(x, y);
  switch (figure) {
    case Figure::circle:
      return r < 1;
    case Figure::ring:
      return r < 1 && r > 0.5;
    case Figure::square:
      return std::abs(x) < std::sqrt(0.5) && std::abs(y) < std::sqrt(0.5);
    case Figure::triangle:
      return in_polygon(x, y, 3, 0, 0);
    case Figure::star:
      return in_polygon(x, y, 5, 0.45, 0);
  }
  return false;
}

// One frame's coverage by a shape: the share of 8 x 8 points of each pixel.
at::Tensor sampled_coverage(const Shape& shape, double u, ClipSize size) {
  constexpr int n = 8;
  const Place p = place(shape.track, u, size);
  at::Tensor out = at::zeros({size.height, size.width});
  auto pixels = out.accessor<float, 2>();
  for (int i = 0; i < size.height * n; ++i) {
    for (int j = 0; j < size.width * n; ++j) {
      const double x = ((j + 0.5) / n - p.x) / p.radius, y = ((i + 0.5) / n - p.y) / p.radius;
      const double c = std::cos(-p.turn), s = std::sin(-p.turn);
      if (in_figure(shape.figure, c * x - s * y, s * x + c * y)) pixels[i / n][j / n] += 1.0f / (n * n);
    }
  }
  return out;
}

Scene one_shape(Figure figure, Motion motion) {
  Scene scene;
  scene.shapes = {{figure, Colour::white, Size::large, motion, Track{}}};
  scene.shapes[0].track.radius = 0.24;
  return scene;
}

class EachFigure : public testing::TestWithParam<Figure> {};

TEST_P(EachFigure, IsDrawnAsTheOracleDrawsIt) {
  Scene scene = one_shape(GetParam(), Motion::rotating);  // all of a track at once
  scene.shapes[0].track = {0.4, 0.55, 0.1, -0.05, 0.05, 1.0, 0.25, 0.05, 0.7};
  const ClipSize size{3, 80, 112};
  const at::Tensor clip = draw(std::span(&scene, 1), size, at::kCPU);
  double most = 0, mean = 0;
  for (int f = 0; f < size.frames; ++f) {
    const at::Tensor drawn = (clip[0][1][f] + 1) / 2;  // white on black: the coverage itself
    const at::Tensor error = (drawn - sampled_coverage(scene.shapes[0], f / 2.0, size)).abs();
    most = std::max(most, error.max().item<double>());
    mean = std::max(mean, error.mean().item<double>());
  }
  // A straight edge through a pixel's corner is off by 0.1, the tip of a star by half a pixel.
  std::printf("%s: largest difference %.3f of 0.6, mean %.5f of 0.003\n", to_string(GetParam()), most, mean);
  EXPECT_LT(most, 0.6);
  EXPECT_LT(mean, 0.003);
}
INSTANTIATE_TEST_SUITE_P(World, EachFigure,
                         testing::Values(Figure::circle, Figure::square, Figure::triangle, Figure::star, Figure::ring),
                         [](const auto& figure) { return std::string(to_string(figure.param)); });

TEST(Draw, ABatchIsItsScenesOneByOne) {
  std::vector<Scene> scenes;
  for (std::uint64_t seed = 0; seed < 20; ++seed) scenes.push_back(random_scene(seed));
  const ClipSize size{5, 48, 64};
  const at::Tensor batch = draw(scenes, size, at::kCPU);
  ASSERT_EQ(batch.sizes(), (at::IntArrayRef{20, 3, 5, 48, 64}));
  for (std::size_t i = 0; i < scenes.size(); ++i) {
    const at::Tensor alone = draw(std::span(&scenes[i], 1), size, at::kCPU)[0];
    EXPECT_TRUE(at::allclose(batch[static_cast<int>(i)], alone, 0, 1e-5)) << i;
  }
  EXPECT_LE(batch.abs().max().item<float>(), 1.0f);
}

TEST(Draw, AGradientGoesFromLeftToRight) {
  Scene scene = one_shape(Figure::circle, Motion::still);
  scene.shapes[0].track.radius = 0.1;
  scene.background = {Colour::red, Colour::blue};
  const at::Tensor top = draw(std::span(&scene, 1), {1, 64, 64}, at::kCPU)[0].select(1, 0).select(1, 0);  // [3, 64]
  for (int i = 0; i < 3; ++i) {
    const double from = 2 * rgb(Colour::red)[i] - 1, to = 2 * rgb(Colour::blue)[i] - 1;
    for (int x = 0; x < 64; ++x) EXPECT_NEAR(top[i][x].item<double>(), from + (to - from) * (x + 0.5) / 64, 1e-5);
  }
}

TEST(Draw, TheMainShapeIsOnTop) {
  Scene scene = one_shape(Figure::circle, Motion::still);
  scene.shapes.push_back(scene.shapes[0]);
  scene.shapes[1].colour = Colour::red;
  const at::Tensor middle = draw(std::span(&scene, 1), {1, 32, 32}, at::kCPU)[0].select(2, 16).select(2, 16);
  EXPECT_TRUE(at::allclose(middle, at::ones_like(middle)));
}

// The checkpoint's training and its held-out prompts follow from the seeds, so neither scenes nor captions may change
// without it being trained anew.
TEST(Scene, TheSameSeedsMakeTheSameScenesAndCaptionsForEver) {
  std::uint64_t hash = 0;
  const auto add = [&](std::uint64_t value) { hash = mix(hash ^ value); };
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const Scene scene = random_scene(seed);
    for (const Shape& s : scene.shapes) {
      for (const double value : {s.track.x, s.track.y, s.track.dx, s.track.dy, s.track.orbit, s.track.phase})
        add(std::bit_cast<std::uint64_t>(value));
      add(static_cast<std::uint64_t>(s.colour));
      add(static_cast<std::uint64_t>(s.figure));
    }
    for (const char character : caption(scene, seed)) add(static_cast<std::uint64_t>(character));
  }
  EXPECT_EQ(hash, 17010586346613555623u);
}

TEST(Scene, ShapesStayInsideTheFrameAndApart) {
  for (const ClipSize size : {ClipSize{17, 96, 96}, ClipSize{17, 96, 160}, ClipSize{17, 160, 96}}) {
    for (std::uint64_t seed = 0; seed < 2000; ++seed) {
      const Scene scene = random_scene(seed);
      for (int f = 0; f < size.frames; ++f) {
        std::vector<Place> places;
        for (const Shape& shape : scene.shapes) {
          const Place p = place(shape.track, f / 16.0, size);
          ASSERT_GE(std::min({p.x, p.y, size.width - p.x, size.height - p.y}), p.radius) << "seed " << seed;
          for (const Place& other : places)
            ASSERT_GE(std::hypot(p.x - other.x, p.y - other.y), p.radius + other.radius) << "seed " << seed;
          places.push_back(p);
        }
      }
    }
  }
}

TEST(Scene, MotionsAreAsNamed) {
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    for (const Shape& s : random_scene(seed).shapes) {
      const Track& t = s.track;
      const bool sideways = s.motion == Motion::left || s.motion == Motion::right || s.motion == Motion::diagonal;
      const bool upright = s.motion == Motion::up || s.motion == Motion::down || s.motion == Motion::diagonal;
      EXPECT_TRUE(sideways ? std::abs(t.dx) >= 0.34 : t.dx == 0) << seed;
      EXPECT_TRUE(upright ? std::abs(t.dy) >= 0.34 : t.dy == 0) << seed;
      if (s.motion == Motion::left) {
        EXPECT_LT(t.dx, 0);
      }
      if (s.motion == Motion::right) {
        EXPECT_GT(t.dx, 0);
      }
      if (s.motion == Motion::up) {
        EXPECT_LT(t.dy, 0);
      }
      if (s.motion == Motion::down) {
        EXPECT_GT(t.dy, 0);
      }
      EXPECT_EQ(t.orbit > 0.17, s.motion == Motion::circling);
      EXPECT_EQ(t.growth > 0, s.motion == Motion::growing);
      EXPECT_EQ(t.growth < 0, s.motion == Motion::shrinking);
      EXPECT_EQ(t.spin > 0, s.motion == Motion::rotating);
      if (s.motion == Motion::rotating) {
        EXPECT_TRUE(s.figure != Figure::circle && s.figure != Figure::ring);
      }
    }
  }
}

TEST(Scene, EveryKindOccursAndATenthIsHeldOut) {
  std::set<std::pair<Figure, Motion>> kinds;
  std::set<Colour> colours, backgrounds;
  std::array<int, most_shapes> of_shapes{};
  int held_out = 0, gradients = 0;
  constexpr int all = 10000;
  for (std::uint64_t seed = 0; seed < all; ++seed) {
    const Scene scene = random_scene(seed);
    const Shape& main = scene.shapes[0];
    kinds.emplace(main.figure, main.motion);
    colours.insert(main.colour);
    backgrounds.insert(scene.background.colour);
    ++of_shapes[scene.shapes.size() - 1];
    held_out += is_held_out(scene);
    gradients += scene.background.to.has_value();
    for (std::size_t i = 1; i < scene.shapes.size(); ++i) EXPECT_LT(scene.shapes[i].size, main.size);
  }
  std::printf("of %d: %d, %d, %d with 1, 2, 3 shapes; %d gradients; %d held out\n", all, of_shapes[0], of_shapes[1],
              of_shapes[2], gradients, held_out);
  EXPECT_EQ(kinds.size(), figure_count * motion_count - 2u);
  EXPECT_EQ(colours.size(), static_cast<std::size_t>(shape_colour_count));
  EXPECT_EQ(backgrounds.size(), static_cast<std::size_t>(colour_count));
  EXPECT_NEAR(held_out, 1000, 150);
  EXPECT_NEAR(of_shapes[0], 7300, 300);
  EXPECT_GT(of_shapes[2], 200);
}

TEST(Caption, NamesEverythingInTheScene) {
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    const Scene scene = random_scene(seed);
    const std::string text = caption(scene, seed + 1);
    const auto has_word = [&](const std::string& word) {
      std::string lower = text;
      std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
      return lower.find(word) != std::string::npos || (word == "grey" && lower.find("gray") != std::string::npos);
    };
    for (const Shape& shape : scene.shapes)
      EXPECT_TRUE(has_word(std::string(to_string(shape.colour)) + " " + to_string(shape.figure))) << text;
    EXPECT_TRUE(has_word(to_string(scene.background.colour))) << text;
    if (scene.background.to) {
      EXPECT_TRUE(has_word(to_string(*scene.background.to))) << text;
    }
    const Motion motion = scene.shapes[0].motion;
    if (motion == Motion::left || motion == Motion::right) {
      EXPECT_TRUE(has_word(to_string(motion))) << text;
    }
    if (motion == Motion::diagonal) {
      EXPECT_TRUE(has_word("diagonally")) << text;
    }
    if (motion == Motion::circling) {
      EXPECT_TRUE(has_word("circle")) << text;
    }
    EXPECT_LE(text.size(), 400u) << text;
  }
}

TEST(Caption, DescribesOneSceneInManyWays) {
  const Scene scene = random_scene(5);
  std::set<std::string> ways;
  int capitals = 0, stops = 0;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    const std::string text = caption(scene, seed);
    EXPECT_EQ(text, caption(scene, seed));
    ways.insert(text);
    capitals += text[0] >= 'A' && text[0] <= 'Z';
    stops += text.back() == '.';
  }
  std::printf("%zu ways of 1000, %d with a capital, %d with a full stop\n", ways.size(), capitals, stops);
  EXPECT_GT(ways.size(), 700u);
  EXPECT_NEAR(capitals, 750, 60);
  EXPECT_NEAR(stops, 500, 60);
}

}  // namespace
}  // namespace wf::shapes
