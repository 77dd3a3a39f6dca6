// pipeline/experts/pinned_blocks.hpp: host memory for weights that leave a GPU.
#pragma once

#include <ATen/core/Tensor.h>

namespace wf {

/// Allocates tensors in large pinned blocks. LibTorch's pinned allocator rounds each request up to a power of two,
/// which would take nearly twice the size of an expert's weights.
class PinnedBlocks {
 public:
  /// A copy in host memory, pinned if the tensor is on a GPU. The copy may still be under way: synchronize() waits.
  at::Tensor copy(const at::Tensor& tensor);
  /// The tensor itself if it is in host memory, else copy().
  at::Tensor on_host(const at::Tensor& tensor);

 private:
  at::Tensor like(const at::Tensor& tensor);

  at::Tensor block_;
  std::int64_t used_ = 0;
};

}  // namespace wf
