#include "pipeline/kernels/heads.hpp"

#include <ATen/ATen.h>

#include "pipeline/kernels/fused.hpp"
#include "pipeline/kernels/norm.hpp"

namespace wf {
namespace {

/// x [..., head_dim] as complex numbers [..., head_dim / 2] complex64; a view when x is f32.
at::Tensor in_pairs(const at::Tensor& x) { return at::view_as_complex(x.to(at::kFloat).unflatten(-1, {-1, 2})); }

/// Writes rotate(z, angles) to `out`, without a copy in between when both are f32.
void rotate_into(const at::Tensor& out, const at::Tensor& z, const at::Tensor& angles) {
  if (out.scalar_type() != at::kFloat || out.numel() == 0) {
    out.copy_(rotate(z, angles));
    return;
  }
  at::Tensor rotated = in_pairs(out);
  at::mul_out(rotated, in_pairs(z), angles.unsqueeze(1));
}

}  // namespace

at::Tensor rotate(const at::Tensor& z, const at::Tensor& angles) {
  return at::view_as_real(at::mul(in_pairs(z), angles.unsqueeze(1))).flatten(3).to(z.scalar_type());
}

void write_heads(const at::Tensor& z, const HeadNorms& norms, const at::Tensor& angles, const HeadBlocks& blocks,
                 std::int64_t first_row) {
  const std::vector<at::Tensor> parts = z.chunk(3, -1);
  // The kernel's vectors of 8 values must not reach into the next head.
  if (fused::supports(parts[0], z.scalar_type()) && blocks.head_dim() % 8 == 0)
    return fused::write_heads(z, norms, angles, blocks, first_row);
  const auto split_heads = [&](const at::Tensor& x) { return x.unflatten(-1, {-1, blocks.head_dim()}); };
  const at::Tensor q = split_heads(rms_norm(parts[0], norms.q, norms.eps));
  const at::Tensor k = split_heads(rms_norm(parts[1], norms.k, norms.eps)), v = split_heads(parts[2]);
  for (int rank = 0; rank < std::ssize(blocks.heads); ++rank) {
    const Range& heads = blocks.heads[static_cast<std::size_t>(rank)];
    const at::Tensor to = blocks.of(rank).narrow(2, first_row, z.size(1));
    const auto own = [&](const at::Tensor& x) { return x.narrow(2, heads.begin, heads.size); };
    rotate_into(to[0], own(q), angles);
    rotate_into(to[1], own(k), angles);
    to[2].copy_(own(v));
  }
}

}  // namespace wf
