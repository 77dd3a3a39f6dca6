// pipeline/model/packed.hpp: tensors one after another in one block of memory, each at an aligned place.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace wf {

/// Bytes that a tensor takes there, up to where the next one may begin.
inline std::int64_t packed_bytes(const at::Tensor& tensor) {
  constexpr std::int64_t alignment = 256;
  return (static_cast<std::int64_t>(tensor.nbytes()) + alignment - 1) / alignment * alignment;
}

/// A tensor of the shape and dtype of `like` within `memory` [bytes] kByte, from this aligned offset.
inline at::Tensor packed_at(const at::Tensor& memory, std::int64_t offset, const at::Tensor& like) {
  const at::Tensor bytes = memory.narrow(0, offset, static_cast<std::int64_t>(like.nbytes()));
  return bytes.view(like.scalar_type()).view(like.sizes());
}

}  // namespace wf
