// models/shapes/world/scene.hpp: the small world that the shapes checkpoint knows: one to three coloured figures that
// move over a coloured background. A scene is plain values; caption.hpp says it in words, draw.hpp shows it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace wf::shapes {

enum class Figure { circle, square, triangle, star, ring };
enum class Size { small, medium, large };
enum class Motion { left, right, up, down, diagonal, circling, growing, shrinking, rotating, still };
/// Shapes have one of the first eight; black and grey are for backgrounds alone.
enum class Colour { red, orange, yellow, green, cyan, blue, purple, white, black, grey };

inline constexpr int figure_count = 5, size_count = 3, motion_count = 10, shape_colour_count = 8, colour_count = 10;
inline constexpr int most_shapes = 3;

/// The English word for it, as in the enumeration: "circle", "small", "left", "red", ...
const char* to_string(Figure figure) noexcept;
const char* to_string(Size size) noexcept;
const char* to_string(Motion motion) noexcept;
const char* to_string(Colour colour) noexcept;

/// sRGB, each 0..1. Any two colours are at least 0.4 apart (Euclidean).
std::array<float, 3> rgb(Colour colour) noexcept;

/// Where a shape is at the time u (0: first frame, 1: last frame). y points down, angles are clockwise on the screen.
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

/// The figure lies in the circle of `track.radius` and reaches it; without spin it stands upright. Circle: that circle.
/// Ring: from half that radius on. Square, triangle (equilateral, a corner at the top) and star (five points, one at
/// the top; the inner corners at 0.45 of the radius): their corners are on it.
struct Shape {
  Figure figure = Figure::circle;
  Colour colour = Colour::red;
  Size size = Size::medium;
  Motion motion = Motion::still;
  Track track;
};

/// One colour, or two: from the first at the left edge to the second at the right edge, linear in sRGB.
struct Background {
  Colour colour = Colour::black;
  std::optional<Colour> to;  ///< another colour than the first
};

struct Scene {
  std::vector<Shape> shapes;  ///< 1 to 3; the first is the main one: the largest, drawn on top
  Background background;
};

/// A scene that follows from the seed alone, bit for bit the same on every machine.
/// Nearly three of four scenes have one shape. In the others the main shape is medium or large and all others are
/// smaller and keep their size. All shapes have different colours, at least 0.3 from any colour that the background
/// has. They stay inside the frame, whatever its sides, for the whole clip and keep clear of each other; straight ways
/// are at least 0.34 of the frame long in each direction they have. What circles goes round once, what rotates makes
/// half a turn, both clockwise; what grows goes from 0.6 to 1.4 of its size. Circles and rings never rotate.
Scene random_scene(std::uint64_t seed);

/// True for about a tenth of all combinations of the main shape's figure, colour and motion and the background's
/// colours: training leaves these out, prompts for measuring are made of nothing else.
bool is_held_out(const Scene& scene);

}  // namespace wf::shapes
