// pipeline/model/rope.hpp: the rotary position embedding of a grid of tokens.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace wf {

/// The tokens of a clip, frames x rows x columns with columns varying fastest: t x h/2 x w/2 for latents [16, t, h, w].
struct TokenGrid {
  std::int64_t frames, rows, columns;
  std::int64_t tokens() const { return frames * rows * columns; }
};

/// cos + i sin of every token's angles: [tokens, head_dim/2] complex64 on `device`, computed in double on the CPU. A
/// head's channel pairs are divided among the axes in the order frame, row, column: row and column get head_dim/6 pairs
/// each, the frame gets the rest. Pair j of an axis with n pairs turns by index * 10000^(-j/n). Source: rope_params in
/// Wan 2.2's model.py (complex128 there; the results in f32 differ by about 1e-7).
at::Tensor rope_table(const TokenGrid& grid, std::int64_t head_dim, at::Device device);

}  // namespace wf
