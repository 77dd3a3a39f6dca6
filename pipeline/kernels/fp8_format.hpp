// pipeline/kernels/fp8_format.hpp: numbers that all code which rounds to F8_E4M3 shares. No LibTorch header here.
#pragma once

#include <cstdint>

namespace wf {

constexpr float largest_e4m3 = 448;  ///< the largest finite F8_E4M3

/// The magnitude that is assumed at least when a scale is chosen, so that rows of zeros have a scale whose reciprocal
/// is finite.
constexpr float least_magnitude = 1e-30f;

/// Whether there are GPU kernels that round heads of this size: a warp holds whole rows of them.
constexpr bool has_fp8_kernels(std::int64_t head_dim) { return head_dim == 64 || head_dim == 128 || head_dim == 256; }

}  // namespace wf
