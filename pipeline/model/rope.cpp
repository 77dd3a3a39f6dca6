#include "pipeline/model/rope.hpp"

#include <ATen/ATen.h>

namespace wf {
namespace {

/// [positions, pairs] f64
at::Tensor axis_angles(std::int64_t positions, std::int64_t pairs) {
  const at::Tensor exponent = at::arange(pairs, at::kDouble) / static_cast<double>(pairs);
  return at::outer(at::arange(positions, at::kDouble), at::pow(10000.0, exponent).reciprocal());
}

}  // namespace

at::Tensor rope_table(const TokenGrid& grid, std::int64_t head_dim, at::Device device) {
  const std::int64_t side = head_dim / 6, time = head_dim / 2 - 2 * side;
  const std::int64_t f = grid.frames, h = grid.rows, w = grid.columns;
  const at::Tensor angles = at::cat({axis_angles(f, time).view({f, 1, 1, time}).expand({f, h, w, time}),
                                     axis_angles(h, side).view({1, h, 1, side}).expand({f, h, w, side}),
                                     axis_angles(w, side).view({1, 1, w, side}).expand({f, h, w, side})},
                                    -1)
                                .view({grid.tokens(), head_dim / 2});
  return at::complex(angles.cos().to(at::kFloat), angles.sin().to(at::kFloat)).to(device);
}

}  // namespace wf
