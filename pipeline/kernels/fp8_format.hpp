// pipeline/kernels/fp8_format.hpp: numbers and rules that all code which rounds to F8_E4M3 shares. No LibTorch header
// here.
#pragma once

#include <cstdint>

#include "parallel/shard.hpp"

namespace wf {

constexpr float largest_e4m3 = 448;  ///< the largest finite F8_E4M3

/// The magnitude that is assumed at least when a scale is chosen, so that rows of zeros have a scale whose reciprocal
/// is finite.
constexpr float least_magnitude = 1e-30f;

/// Whether there are GPU kernels that round heads of this size: a warp holds whole rows of them.
constexpr bool has_fp8_kernels(std::int64_t head_dim) { return head_dim == 64 || head_dim == 128 || head_dim == 256; }

// The rows of a sequence from which its mean key and value are computed (Fp8Heads): all of a short one, else one of
// every 16. Its place among the 16 changes from each 16 to the next. At a fixed place the sample of a picture 48 tokens
// wide would see 3 of its columns, and keys are rotated by their column.

constexpr std::int64_t sample_interval = 16;
constexpr std::int64_t least_sampled_rows = 1024;  ///< Shorter sequences are taken as a whole.

/// How many of `rows` rows the sample holds.
WF_HOST_DEVICE constexpr std::int64_t sample_size(std::int64_t rows) {
  return rows < least_sampled_rows ? rows : rows / sample_interval;
}

/// Row i of the sample. 0 <= i < sample_size(rows).
WF_HOST_DEVICE constexpr std::int64_t sampled_row(std::int64_t i, std::int64_t rows) {
  return rows < least_sampled_rows ? i : i * sample_interval + (i * 11 + i / sample_interval) % sample_interval;
}

/// Whether the sample holds a row. 0 <= row < rows.
WF_HOST_DEVICE constexpr bool is_sampled(std::int64_t row, std::int64_t rows) {
  const std::int64_t i = rows < least_sampled_rows ? row : row / sample_interval;
  return i < sample_size(rows) && row == sampled_row(i, rows);
}

}  // namespace wf
