#include "pipeline/experts/pinned_blocks.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "pipeline/model/packed.hpp"

namespace wf {
namespace {

constexpr std::int64_t block_bytes = 1ll << 30;

}  // namespace

at::Tensor PinnedBlocks::like(const at::Tensor& tensor) {
  const std::int64_t bytes = packed_bytes(tensor);
  if (!block_.defined() || used_ + bytes > block_.numel()) {
    block_ = at::empty({std::max(bytes, block_bytes)}, at::TensorOptions(at::kByte).pinned_memory(true));
    used_ = 0;
  }
  const at::Tensor part = packed_at(block_, used_, tensor);
  used_ += bytes;
  return part;
}

at::Tensor PinnedBlocks::copy(const at::Tensor& tensor) {
  at::Tensor to = tensor.is_cuda() ? like(tensor) : at::empty_like(tensor);
  return to.copy_(tensor, /*non_blocking=*/true);
}

at::Tensor PinnedBlocks::on_host(const at::Tensor& tensor) { return tensor.is_cpu() ? tensor : copy(tensor); }

}  // namespace wf
