// models/shapes/world/draw.cpp: one formula for all five figures, so that a layer (one shape of each scene) takes a few
// operations, whatever its figures.
//
// A polygon with n outer corners consists of 2n congruent sectors. A pixel at the angle t from an outer corner is
// folded into the first one; its distance is that to the line from the outer corner to the next inner corner (of a
// convex polygon: the middle of the edge). The distance to a disc or ring is | |p| - middle | - half of its width.
#include "models/shapes/world/draw.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace wf::shapes {
namespace {

constexpr double pi = 3.14159265358979323846;

// The numbers that describe a shape on the device, in this order. Lengths are fractions, as in Track.
enum Column {
  c_x,
  c_y,
  c_dx,
  c_dy,
  c_orbit,
  c_phase,
  c_radius,
  c_growth,
  c_angle,
  c_spin,  // up to here: the track
  c_round,
  c_middle,
  c_half,  // c_round is 1 for a disc or ring; its middle and half its width as fractions of the radius
  c_sector,
  c_offset,
  c_normal_x,
  c_normal_y,  // a polygon's angle 2 pi / n, and its edge as fractions of the radius
  c_red,
  c_green,
  c_blue,
  columns
};
using Row = std::array<float, columns>;

struct Outline {
  bool round;
  double middle, half;    // of a round outline, as fractions of the radius
  int corners;            // of a polygon
  double inner, upright;  // distance of the inner corners from the centre; angle that turns the polygon upright
};

Outline outline(Figure figure) {
  switch (figure) {
    case Figure::circle:
      return {true, 0, 1, 3, 0.5, 0};
    case Figure::ring:
      return {true, 0.75, 0.25, 3, 0.5, 0};
    case Figure::square:
      return {false, 0, 1, 4, std::cos(pi / 4), pi / 4};
    case Figure::triangle:
      return {false, 0, 1, 3, std::cos(pi / 3), 0};
    case Figure::star:
      return {false, 0, 1, 5, 0.45, 0};
  }
  return {};
}

Row row(const Shape& shape) {
  const Track& track = shape.track;
  const Outline form = outline(shape.figure);
  const double sector = 2 * pi / form.corners;
  // The edge from (1, 0) to (inner, half a sector on); its normal points outwards.
  const double edge_x = form.inner * std::cos(sector / 2) - 1, edge_y = form.inner * std::sin(sector / 2);
  const double length = std::hypot(edge_x, edge_y);
  const double normal_x = edge_y / length, normal_y = -edge_x / length;
  const auto colour = rgb(shape.colour);
  const std::array<double, columns> values{
      track.x,
      track.y,
      track.dx,
      track.dy,
      track.orbit,
      track.phase,
      track.radius,
      track.growth,
      form.upright - pi / 2,
      track.spin,  // the angle of the corner that is at the top, clockwise from the x axis
      form.round ? 1.0 : 0.0,
      form.middle,
      form.half,
      sector,
      normal_x,
      normal_x,
      normal_y,
      2 * colour[0] - 1,
      2 * colour[1] - 1,
      2 * colour[2] - 1};
  Row out;
  std::transform(values.begin(), values.end(), out.begin(), [](double value) { return static_cast<float>(value); });
  return out;
}

// Fills the layers of scenes with fewer shapes: a disc with a negative radius covers no pixel.
Row no_shape() {
  Row out = row(Shape{});
  out[c_radius] = -1;
  return out;
}

// [scenes, layers, columns]; the first layer is the lowest, the last one holds the main shapes.
at::Tensor pack_shapes(std::span<const Scene> scenes, std::size_t layers) {
  std::vector<Row> rows(scenes.size() * layers, no_shape());
  for (std::size_t i = 0; i < scenes.size(); ++i) {
    for (std::size_t k = 0; k < scenes[i].shapes.size(); ++k)
      rows[i * layers + layers - 1 - k] = row(scenes[i].shapes[k]);
  }
  const auto count = static_cast<std::int64_t>(scenes.size());
  return at::from_blob(rows.data(), {count, static_cast<std::int64_t>(layers), columns}, at::kFloat).clone();
}

// [scenes, 2, 3]: the colours of the left and the right edge, in [-1, 1].
at::Tensor pack_backgrounds(std::span<const Scene> scenes) {
  std::vector<float> values;
  for (const Scene& scene : scenes) {
    for (const Colour colour : {scene.background.colour, scene.background.to.value_or(scene.background.colour)}) {
      for (const float value : rgb(colour)) values.push_back(2 * value - 1);
    }
  }
  return at::from_blob(values.data(), {static_cast<std::int64_t>(scenes.size()), 2, 3}, at::kFloat).clone();
}

// Times and pixel centres, shaped for broadcasting to [scenes, frames, height, width].
struct Grid {
  ClipSize size;
  at::Tensor u;     // [frames, 1, 1]
  at::Tensor y, x;  // [height, 1], [width], in pixels
};

Grid make_grid(ClipSize size, at::Device device) {
  const auto options = at::device(device).dtype(at::kFloat);
  return {size, at::linspace(0, size.frames > 1 ? 1 : 0, size.frames, options).view({-1, 1, 1}),
          (at::arange(size.height, options) + 0.5).view({-1, 1}), at::arange(size.width, options) + 0.5};
}

// Returns [scenes, frames, height, width]: the share of each pixel that the shapes of a layer [scenes, columns] cover.
at::Tensor coverage(const at::Tensor& layer, const Grid& grid) {
  const auto column = [&](Column c) { return layer.select(1, c).view({-1, 1, 1, 1}); };
  const double side = std::min(grid.size.height, grid.size.width);
  const at::Tensor turn = column(c_phase) + 2 * pi * grid.u;
  const at::Tensor centre_x =
      (column(c_x) + column(c_dx) * grid.u) * grid.size.width + column(c_orbit) * turn.cos() * side;
  const at::Tensor centre_y =
      (column(c_y) + column(c_dy) * grid.u) * grid.size.height + column(c_orbit) * turn.sin() * side;
  const at::Tensor radius = (column(c_radius) + column(c_growth) * grid.u) * side;

  const at::Tensor x = grid.x - centre_x, y = grid.y - centre_y;
  const at::Tensor far = at::hypot(x, y);
  const at::Tensor turns = (at::atan2(y, x) - (column(c_angle) + column(c_spin) * grid.u)) / column(c_sector);
  const at::Tensor folded = (turns - turns.round()).abs_() * column(c_sector);
  const at::Tensor to_edge =
      far * (folded.cos() * column(c_normal_x) + folded.sin() * column(c_normal_y)) - column(c_offset) * radius;
  const at::Tensor to_round = (far - column(c_middle) * radius).abs_() - column(c_half) * radius;
  return (0.5 - at::where(column(c_round) > 0.5, to_round, to_edge)).clamp_(0, 1);
}

}  // namespace

at::Tensor draw(std::span<const Scene> scenes, ClipSize size, at::Device device) {
  const auto count = static_cast<std::int64_t>(scenes.size());
  std::size_t layers = 0;
  for (const Scene& scene : scenes) layers = std::max(layers, scene.shapes.size());
  const at::Tensor packed =
      at::cat({pack_shapes(scenes, layers).flatten(), pack_backgrounds(scenes).flatten()}).to(device);
  const auto shape_numbers = static_cast<std::int64_t>(scenes.size() * layers * columns);
  const at::Tensor shapes = packed.narrow(0, 0, shape_numbers).view({count, -1, columns});
  const at::Tensor edges = packed.narrow(0, shape_numbers, count * 6).view({count, 2, 3, 1, 1, 1});

  const Grid grid = make_grid(size, device);
  at::Tensor frames = at::lerp(edges.select(1, 0), edges.select(1, 1), grid.x / size.width)
                          .expand({count, 3, size.frames, size.height, size.width})
                          .contiguous();
  for (std::int64_t k = 0; k < static_cast<std::int64_t>(layers); ++k) {
    const at::Tensor layer = shapes.select(1, k);
    const at::Tensor colour = layer.narrow(1, c_red, 3).view({count, 3, 1, 1, 1});
    frames.lerp_(colour.expand_as(frames), coverage(layer, grid).unsqueeze(1));
  }
  return frames;
}

}  // namespace wf::shapes
