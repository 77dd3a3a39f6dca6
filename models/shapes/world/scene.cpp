// models/shapes/world/scene.cpp: draws random scenes. Only + - * / and square roots decide, since their results are the
// same on every machine, unlike those of sines.
#include "models/shapes/world/scene.hpp"

#include <algorithm>
#include <cmath>

#include "models/shapes/world/random.hpp"

namespace wf::shapes {
namespace {

constexpr std::array<double, size_count> radii{0.14, 0.19, 0.25};  // of the frame's shorter side
constexpr double margin = 0.01;                                    // to the frame's edge
constexpr double shortest_path = 0.34, longest_path = 0.6;
constexpr double smallest_orbit = 0.18, largest_orbit = 0.26;
constexpr double least_scale = 0.6, largest_scale = 1.4;  // of what grows or shrinks
constexpr double gap = 0.03;                              // between two shapes
constexpr double least_contrast = 0.3;                    // of a shape to its background
constexpr double pi = 3.14159265358979323846;

template <class Enum>
Enum any(Random& random, int count) {
  return static_cast<Enum>(random.below(count));
}

double distance(const std::array<float, 3>& a, const std::array<float, 3>& b) {
  return std::sqrt((a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1]) + (a[2] - b[2]) * (a[2] - b[2]));
}

// The least distance between a colour and any colour of a background.
double contrast(Colour colour, const Background& background) {
  const auto from = rgb(background.colour), to = rgb(background.to.value_or(background.colour));
  double least = 2;
  for (int step = 0; step <= 16; ++step) {
    const float part = static_cast<float>(step) / 16;
    std::array<float, 3> between{};
    for (int i = 0; i < 3; ++i) between[i] = from[i] + part * (to[i] - from[i]);
    least = std::min(least, distance(rgb(colour), between));
  }
  return least;
}

Background random_background(Random& random) {
  Background background{any<Colour>(random, colour_count), std::nullopt};
  if (!random.one_in(3)) return background;
  while (!background.to || *background.to == background.colour) background.to = any<Colour>(random, colour_count);
  return background;
}

Motion random_motion(Random& random, Figure figure) {
  const bool shows_turning = figure != Figure::circle && figure != Figure::ring;
  Motion motion;
  do motion = any<Motion>(random, motion_count);
  while (motion == Motion::rotating && !shows_turning);
  return motion;
}

// Draws the motion along one axis: its begin, and its signed length in the direction `sign`; 0 means no motion.
void set_motion(Random& random, int sign, double reach, double& begin, double& change) {
  const double room = 1 - 2 * reach;
  const double length = sign == 0 ? 0 : random.between(shortest_path, std::min(longest_path, room));
  const double low = random.between(reach, 1 - reach - length);
  begin = sign < 0 ? low + length : low;
  change = sign * length;
}

int sign_x(Motion motion, Random& random) {
  if (motion == Motion::diagonal) return random.one_in(2) ? 1 : -1;
  return motion == Motion::right ? 1 : motion == Motion::left ? -1 : 0;
}

int sign_y(Motion motion, Random& random) {
  if (motion == Motion::diagonal) return random.one_in(2) ? 1 : -1;
  return motion == Motion::down ? 1 : motion == Motion::up ? -1 : 0;
}

Track random_track(Random& random, Size size, Motion motion) {
  Track track;
  const double radius = radii[static_cast<int>(size)];
  const bool grows = motion == Motion::growing, shrinks = motion == Motion::shrinking;
  track.radius = radius * (grows ? least_scale : shrinks ? largest_scale : 1);
  track.growth = radius * (largest_scale - least_scale) * (grows - shrinks);
  double reach = margin + radius * (grows || shrinks ? largest_scale : 1);
  if (motion == Motion::circling) {
    track.orbit = random.between(smallest_orbit, std::min(largest_orbit, 0.5 - reach));
    track.phase = random.between(0, 2 * pi);
    reach += track.orbit;
  }
  if (motion == Motion::rotating) track.spin = pi;
  set_motion(random, sign_x(motion, random), reach, track.x, track.dx);
  set_motion(random, sign_y(motion, random), reach, track.y, track.dy);
  return track;
}

// True if two shapes never touch. A circling shape counts as the disc that it covers. The test is for square frames;
// in others the distances are larger.
bool keep_clear(const Track& a, const Track& b) {
  constexpr int steps = 64;
  for (int step = 0; step <= steps; ++step) {
    const double u = static_cast<double>(step) / steps;
    const double x = a.x - b.x + (a.dx - b.dx) * u, y = a.y - b.y + (a.dy - b.dy) * u;
    const double least = a.radius + a.growth * u + a.orbit + b.radius + b.growth * u + b.orbit + gap;
    if (x * x + y * y < least * least) return false;
  }
  return true;
}

Shape random_main_shape(Random& random, bool alone) {
  Shape shape;
  shape.figure = any<Figure>(random, figure_count);
  shape.colour = any<Colour>(random, shape_colour_count);
  shape.size = alone ? any<Size>(random, size_count) : random.one_in(2) ? Size::medium : Size::large;
  shape.motion = random_motion(random, shape.figure);
  shape.track = random_track(random, shape.size, shape.motion);
  return shape;
}

// A shape of constant size, at least one size smaller than the main shape, so that the main shape is evident.
Shape random_other_shape(Random& random, Size main) {
  Shape shape;
  shape.figure = any<Figure>(random, figure_count);
  shape.colour = any<Colour>(random, shape_colour_count);
  shape.size = any<Size>(random, static_cast<int>(main));
  do shape.motion = random.one_in(2) ? Motion::still : random_motion(random, shape.figure);
  while (shape.motion == Motion::growing || shape.motion == Motion::shrinking);
  shape.track = random_track(random, shape.size, shape.motion);
  return shape;
}

bool fits(const Shape& shape, const Scene& scene) {
  return contrast(shape.colour, scene.background) >= least_contrast &&
         std::all_of(scene.shapes.begin(), scene.shapes.end(), [&](const Shape& other) {
           return other.colour != shape.colour && keep_clear(other.track, shape.track);
         });
}

}  // namespace

const char* to_string(Figure figure) noexcept {
  constexpr std::array names{"circle", "square", "triangle", "star", "ring"};
  return names[static_cast<int>(figure)];
}

const char* to_string(Size size) noexcept {
  constexpr std::array names{"small", "medium", "large"};
  return names[static_cast<int>(size)];
}

const char* to_string(Motion motion) noexcept {
  constexpr std::array names{"left",     "right",   "up",        "down",     "diagonal",
                             "circling", "growing", "shrinking", "rotating", "still"};
  return names[static_cast<int>(motion)];
}

const char* to_string(Colour colour) noexcept {
  constexpr std::array names{"red", "orange", "yellow", "green", "cyan", "blue", "purple", "white", "black", "grey"};
  return names[static_cast<int>(colour)];
}

std::array<float, 3> rgb(Colour colour) noexcept {
  constexpr std::array<std::array<float, 3>, colour_count> values{{{0.88f, 0.06f, 0.08f},
                                                                   {1.00f, 0.53f, 0.00f},
                                                                   {1.00f, 0.94f, 0.15f},
                                                                   {0.08f, 0.62f, 0.20f},
                                                                   {0.15f, 0.88f, 0.94f},
                                                                   {0.10f, 0.20f, 0.90f},
                                                                   {0.58f, 0.10f, 0.75f},
                                                                   {1.00f, 1.00f, 1.00f},
                                                                   {0.00f, 0.00f, 0.00f},
                                                                   {0.45f, 0.45f, 0.45f}}};
  return values[static_cast<int>(colour)];
}

Scene random_scene(std::uint64_t seed) {
  constexpr int tries = 60;
  Random random(seed);
  const int tenth = random.below(10);
  const int wanted = tenth < 6 ? 1 : tenth < 9 ? 2 : 3;
  Scene scene;
  scene.shapes.push_back(random_main_shape(random, wanted == 1));
  do scene.background = random_background(random);
  while (contrast(scene.shapes[0].colour, scene.background) < least_contrast);
  for (int i = 0; i < tries && static_cast<int>(scene.shapes.size()) < wanted; ++i) {
    const Shape shape = random_other_shape(random, scene.shapes[0].size);
    if (fits(shape, scene)) scene.shapes.push_back(shape);
  }
  return scene;
}

bool is_held_out(const Scene& scene) {
  const Shape& shape = scene.shapes.at(0);
  std::uint64_t combination = static_cast<std::uint64_t>(shape.figure);
  combination = combination * colour_count + static_cast<std::uint64_t>(shape.colour);
  combination = combination * motion_count + static_cast<std::uint64_t>(shape.motion);
  combination = combination * colour_count + static_cast<std::uint64_t>(scene.background.colour);
  combination = combination * (colour_count + 1) +
                (scene.background.to ? static_cast<std::uint64_t>(*scene.background.to) + 1 : 0);
  return mix(combination + 0x9e3779b97f4a7c15) % 10 == 0;
}

}  // namespace wf::shapes
