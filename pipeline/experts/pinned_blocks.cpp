#include "pipeline/experts/pinned_blocks.hpp"

#include <ATen/ATen.h>

#include <algorithm>

namespace wf {
namespace {

constexpr std::int64_t block_bytes = 1ll << 30, alignment = 256;

}  // namespace

at::Tensor PinnedBlocks::like(const at::Tensor& tensor) {
  const auto bytes = static_cast<std::int64_t>(tensor.nbytes());
  if (!block_.defined() || used_ + bytes > block_.numel()) {
    block_ = at::empty({std::max(bytes, block_bytes)}, at::TensorOptions(at::kByte).pinned_memory(true));
    used_ = 0;
  }
  const at::Tensor part = block_.narrow(0, used_, bytes).view(tensor.scalar_type()).view(tensor.sizes());
  used_ += (bytes + alignment - 1) / alignment * alignment;
  return part;
}

at::Tensor PinnedBlocks::copy(const at::Tensor& tensor) {
  at::Tensor to = tensor.is_cuda() ? like(tensor) : at::empty_like(tensor);
  return to.copy_(tensor, /*non_blocking=*/true);
}

}  // namespace wf
