// models/shapes/world/scene.hpp: the small world that the shapes checkpoint knows: one to three coloured figures that
// move over a coloured background. A scene is plain values; caption.hpp describes it, draw.hpp draws it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace wf::shapes {

/// The form of a shape.
enum class Figure { circle, square, triangle, star, ring };
enum class Size { small, medium, large };
enum class Motion { left, right, up, down, diagonal, circling, growing, shrinking, rotating, still };
/// Shapes have one of the first eight colours; black and grey are only for backgrounds.
enum class Colour { red, orange, yellow, green, cyan, blue, purple, white, black, grey };

inline constexpr int figure_count = 5, size_count = 3, motion_count = 10, shape_colour_count = 8, colour_count = 10;
inline constexpr int most_shapes = 3;

/// The English word, spelled as in the enumeration: "circle", "small", "left", "red", ...
const char* to_string(Figure figure) noexcept;
const char* to_string(Size size) noexcept;
const char* to_string(Motion motion) noexcept;
const char* to_string(Colour colour) noexcept;

/// sRGB values, each 0..1. Any two colours are at least 0.4 apart (Euclidean distance).
std::array<float, 3> rgb(Colour colour) noexcept;

/// The path of a shape over the time u (0: first frame, 1: last frame). y points down, angles are clockwise on screen.
///   centre = (x + dx u, y + dy u) + orbit (cos a, sin a), a = phase + 2 pi u
///   radius + growth u, turned by spin u
/// x, y, dx, dy are fractions of the frame's width and height; orbit, radius and growth of its shorter side; phase and
/// spin are in radians.
struct Track {
  double x = 0.5, y = 0.5, dx = 0, dy = 0;
  double orbit = 0, phase = 0;
  double radius = 0.2, growth = 0;
  double spin = 0;
};

/// One shape. Its figure is inscribed in the circle of radius `track.radius` and, without spin, stands upright. A ring
/// covers that circle from half the radius outwards. Square, triangle (equilateral, a corner at the top) and star (five
/// points, one at the top; inner corners at 0.45 of the radius) have their corners on the circle.
struct Shape {
  Figure figure = Figure::circle;
  Colour colour = Colour::red;
  Size size = Size::medium;
  Motion motion = Motion::still;
  Track track;
};

/// One colour, or a gradient from the left edge to the right edge, linear in sRGB.
struct Background {
  Colour colour = Colour::black;
  std::optional<Colour> to;  ///< Right edge of a gradient, different from `colour`; empty for a plain background.
};

/// Everything that a clip of the world shows.
struct Scene {
  std::vector<Shape> shapes;  ///< 1 to 3; the first is the main shape: the largest, drawn on top.
  Background background;
};

/// Returns a scene that depends only on the seed and is bit for bit the same on every machine.
/// Nearly three out of four scenes have one shape. In the others the main shape is medium or large, and all others are
/// smaller and keep their size. All shapes have different colours, at least 0.3 from every colour of the background.
/// They stay inside the frame, whatever its aspect ratio, and keep clear of each other for the whole clip; straight
/// motion covers at least 0.34 of the frame in each of its directions. A circling shape goes round once and a rotating
/// one makes half a turn, both clockwise; a growing shape grows from 0.6 to 1.4 of its size. Circles and rings never
/// rotate.
Scene random_scene(std::uint64_t seed);

/// True for about a tenth of all combinations of the main shape's figure, colour and motion and the background's
/// colours. Training leaves these out; prompts for measuring use only these.
bool is_held_out(const Scene& scene);

}  // namespace wf::shapes
