// pipeline/model/rope.hpp: the rotary table of a grid of tokens.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace wf {

/// Tokens of a clip: frames x rows x columns, columns fastest. Of latents [16, t, h, w]: t x h/2 x w/2.
struct TokenGrid {
  std::int64_t frames, rows, columns;
  std::int64_t tokens() const { return frames * rows * columns; }
};

/// cos + i sin of every token's angles: [tokens, head_dim/2] complex64, formed in double. Of the channel pairs of a
/// head, head_dim/6 turn with the row, as many with the column, the first ones (the rest) with the frame; angle = index
/// * 10000^(-j/pairs of its axis). Source: Wan 2.2 model.py, rope_params (there complex128; rounded to f32 the results
/// differ by about 1e-7).
at::Tensor rope_table(const TokenGrid& grid, std::int64_t head_dim, at::Device device);

}  // namespace wf
