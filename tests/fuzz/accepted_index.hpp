// tests/fuzz/accepted_index.hpp: the invariants of every tensor that a checkpoint reader accepts.
#pragma once

#include "pipeline/weights/tensor_file.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace wf::fuzz {

/// Requires that all tensors lie in the file. Computes their extents in 128 bits, independently of the readers.
inline void require_inside(const TensorIndex& index, std::size_t file_size) {
  for (const auto& [name, entry] : index) {
    require(entry.shape.size() == entry.strides.size() && entry.shape.size() <= 16, "shape and strides do not fit");
    unsigned __int128 last = 0;
    bool empty = false;
    for (std::size_t i = 0; i < entry.shape.size(); ++i) {
      require(entry.shape[i] >= 0 && entry.strides[i] >= 0, "a size or stride is negative");
      empty |= entry.shape[i] == 0;
      last += static_cast<unsigned __int128>(entry.shape[i] > 0 ? entry.shape[i] - 1 : 0) *
              static_cast<unsigned __int128>(entry.strides[i]);
    }
    require(entry.offset <= file_size && entry.bytes <= file_size - entry.offset, "a tensor lies outside of the file");
    if (!empty) require((last + 1) * size_of(entry.dtype) == entry.bytes, "a tensor's bytes are not its extent");
  }
}

}  // namespace wf::fuzz
