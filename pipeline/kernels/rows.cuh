// pipeline/kernels/rows.cuh: how the kernels of this folder go over rows: accesses of 16 bytes, one thread block per
// row, and a row stays in registers between its sum and its use.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp8.h>

#include "pipeline/kernels/fp8_format.hpp"
#include "pipeline/kernels/fused_launch.hpp"

namespace wf::fused {

constexpr int kVector = 8;   ///< values that a thread loads at once
constexpr int kVectors = 5;  ///< vectors that a thread mostly holds: 128 threads hold the 5120 columns of a token
constexpr int kWarp = 32;
constexpr int kMostThreads = 512;  ///< of a block: with more, a row kernel may have no register for each of its values

struct Values {
  float at[kVector];
};

__device__ inline Values load(const float* from) {
  const float4 a = *reinterpret_cast<const float4*>(from), b = *reinterpret_cast<const float4*>(from + 4);
  return {{a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w}};
}

/// As many values in bf16.
struct alignas(16) Pairs {
  __nv_bfloat162 at[kVector / 2];
};

__device__ inline Pairs load_pairs(const __nv_bfloat16* from) {
  const uint4 raw = *reinterpret_cast<const uint4*>(from);
  return *reinterpret_cast<const Pairs*>(&raw);
}

__device__ inline Values widened(const Pairs& pairs) {
  Values values;
#pragma unroll
  for (int i = 0; i < kVector / 2; ++i) {
    const float2 pair = __bfloat1622float2(pairs.at[i]);
    values.at[2 * i] = pair.x;
    values.at[2 * i + 1] = pair.y;
  }
  return values;
}

/// Rounds two values by one instruction, which is faster than that which converts one.
__device__ inline Pairs rounded(const Values& values) {
  Pairs pairs;
#pragma unroll
  for (int i = 0; i < kVector / 2; ++i) pairs.at[i] = __floats2bfloat162_rn(values.at[2 * i], values.at[2 * i + 1]);
  return pairs;
}

__device__ inline Values load(const __nv_bfloat16* from) { return widened(load_pairs(from)); }

__device__ inline void store(float* to, const Values& values) {
  reinterpret_cast<float4*>(to)[0] = make_float4(values.at[0], values.at[1], values.at[2], values.at[3]);
  reinterpret_cast<float4*>(to)[1] = make_float4(values.at[4], values.at[5], values.at[6], values.at[7]);
}

__device__ inline void store(__nv_bfloat16* to, const Pairs& pairs) {
  *reinterpret_cast<uint4*>(to) = *reinterpret_cast<const uint4*>(&pairs);
}

__device__ inline void store(__nv_bfloat16* to, const Values& values) { store(to, rounded(values)); }

/// Stores values * factor, to nearest even and at most 448. NaN stays NaN.
__device__ inline void store(__nv_fp8_e4m3* to, const Values& values, float factor) {
  uint2 raw;
  auto* const pairs = reinterpret_cast<__nv_fp8x2_storage_t*>(&raw);
#pragma unroll
  for (int i = 0; i < kVector / 2; ++i) {
    const float2 pair = make_float2(values.at[2 * i] * factor, values.at[2 * i + 1] * factor);
    pairs[i] = __nv_cvt_float2_to_fp8x2(pair, __NV_SATFINITE, __NV_E4M3);
  }
  *reinterpret_cast<uint2*>(to) = raw;
}

/// The larger of two numbers that are not negative. NaN counts as the largest: its bits are.
__device__ inline float larger(float a, float b) {
  return __uint_as_float(max(__float_as_uint(a), __float_as_uint(b)));
}

__device__ inline float largest_of(const Values& values) {
  float most = 0;
#pragma unroll
  for (int j = 0; j < kVector; ++j) most = larger(most, fabsf(values.at[j]));
  return most;
}

/// The scale of a row whose largest magnitude is `most` (operand.hpp).
__device__ inline float fp8_scale(float most) { return larger(most, least_magnitude) / largest_e4m3; }

/// The sum over all threads of the block, returned to every thread. The order of additions is fixed, so two runs give
/// the same bits.
__device__ inline float block_sum(float value) {
  __shared__ float of_warp[kWarp];
  for (int distance = kWarp / 2; distance > 0; distance /= 2) value += __shfl_xor_sync(~0u, value, distance);
  __syncthreads();  // other warps may still read the previous sum
  if (threadIdx.x % kWarp == 0) of_warp[threadIdx.x / kWarp] = value;
  __syncthreads();
  float sum = 0;
  for (unsigned warp = 0; warp < blockDim.x / kWarp; ++warp) sum += of_warp[warp];
  return sum;
}

/// The larger() of all threads of the block, returned to every thread.
__device__ inline float block_largest(float value) {
  __shared__ float of_warp[kWarp];
  for (int distance = kWarp / 2; distance > 0; distance /= 2)
    value = larger(value, __shfl_xor_sync(~0u, value, distance));
  __syncthreads();  // other warps may still read the previous result
  if (threadIdx.x % kWarp == 0) of_warp[threadIdx.x / kWarp] = value;
  __syncthreads();
  float most = 0;
  for (unsigned warp = 0; warp < blockDim.x / kWarp; ++warp) most = larger(most, of_warp[warp]);
  return most;
}

/// The row of a thread block of grid_of(). Vector i of this thread begins at column(i).
struct Row {
  std::int64_t index, sample, in_sample;
  int columns;
  __device__ explicit Row(const Shape& shape)
      : index(blockIdx.z * shape.rows_per_sample + blockIdx.x),
        sample(blockIdx.z),
        in_sample(blockIdx.x),
        columns(shape.columns) {}
  __device__ int column(int i) const {
    return (i * static_cast<int>(blockDim.x) + static_cast<int>(threadIdx.x)) * kVector;
  }
  __device__ bool has(int i) const { return column(i) < columns; }
};

/// Loads this thread's part of a row. Values past the row's end are 0 and add nothing to a sum.
template <class T, int vectors>
__device__ void load_row(Values (&values)[vectors], const T* row_start, const Row& row) {
#pragma unroll
  for (int i = 0; i < vectors; ++i) values[i] = row.has(i) ? load(row_start + row.column(i)) : Values{};
}

template <int vectors>
__device__ void load_row(Pairs (&pairs)[vectors], const __nv_bfloat16* row_start, const Row& row) {
#pragma unroll
  for (int i = 0; i < vectors; ++i) pairs[i] = row.has(i) ? load_pairs(row_start + row.column(i)) : Pairs{};
}

/// Dense rows that a kernel writes, and where T is F8_E4M3, the scale of each.
template <class T>
struct RowsOf {
  T* values;
  float* scales;
};

/// Writes this thread's part of a row. Values past the row's end must be 0.
template <int vectors>
__device__ void write_row(const Values (&values)[vectors], RowsOf<__nv_bfloat16> out, const Row& row) {
#pragma unroll
  for (int i = 0; i < vectors; ++i)
    if (row.has(i)) store(out.values + row.index * row.columns + row.column(i), values[i]);
}

template <int vectors>
__device__ void write_row(const Values (&values)[vectors], RowsOf<__nv_fp8_e4m3> out, const Row& row) {
  float most = 0;
#pragma unroll
  for (int i = 0; i < vectors; ++i) most = larger(most, largest_of(values[i]));
  const float scale = fp8_scale(block_largest(most)), factor = 1 / scale;
  if (threadIdx.x == 0) out.scales[row.index] = scale;
#pragma unroll
  for (int i = 0; i < vectors; ++i)
    if (row.has(i)) store(out.values + row.index * row.columns + row.column(i), values[i], factor);
}

/// Calls `launch` with the RowsOf that `out` describes.
template <class Launch>
void with_type(RowsOut out, Launch&& launch) {
  if (out.scales)
    launch(RowsOf<__nv_fp8_e4m3>{static_cast<__nv_fp8_e4m3*>(out.values), out.scales});
  else
    launch(RowsOf<__nv_bfloat16>{static_cast<__nv_bfloat16*>(out.values), nullptr});
}

/// The fewest threads, in whole warps, that hold one row with `vectors` vectors each.
inline int threads_for(const Shape& shape, int vectors = kVectors) {
  const int threads = (shape.columns / kVector + vectors - 1) / vectors;
  return (threads + kWarp - 1) / kWarp * kWarp;
}

/// A thread block for each of `parts` parts of each row. That a sample is a plane of it saves threads a division.
inline dim3 grid_of(const Shape& shape, unsigned parts = 1) {
  return {static_cast<unsigned>(shape.rows_per_sample), parts,
          static_cast<unsigned>(shape.rows / shape.rows_per_sample)};
}

}  // namespace wf::fused
