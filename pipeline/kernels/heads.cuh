// pipeline/kernels/heads.cuh: what kernels do to a thread's part of a row of queries or keys.
#pragma once

#include "pipeline/kernels/rows.cuh"

namespace wf::fused {

/// Rotates the channel pairs (2j, 2j+1) by their angles: turns holds cosine and sine of each pair.
__device__ inline void rotate(Values& values, const Values& turns) {
#pragma unroll
  for (int j = 0; j < kVector; j += 2) {
    const float re = values.at[j], im = values.at[j + 1], cosine = turns.at[j], sine = turns.at[j + 1];
    values.at[j] = re * cosine - im * sine;
    values.at[j + 1] = re * sine + im * cosine;
  }
}

// RMSNorm of a row goes in two steps, between which the row is in registers as it was in memory: widened values take
// twice as many, and with fewer registers more rows are under way.

/// rsqrt(mean(z^2) + eps) of a row. All threads of the block call it.
__device__ inline float rms_factor(const Pairs (&z)[kVectors], float eps, const Row& row) {
  float squares = 0;
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    const Values values = widened(z[i]);
#pragma unroll
    for (int j = 0; j < kVector; ++j) squares += values.at[j] * values.at[j];
  }
  return rsqrtf(block_sum(squares) / static_cast<float>(row.columns) + eps);
}

/// bf16(bf16(z * factor) * weight), with the weights of these values.
__device__ inline Pairs rms_normed(const Pairs& z, float factor, const __nv_bfloat16* weight) {
  Values scaled = widened(z);
#pragma unroll
  for (int j = 0; j < kVector; ++j) scaled.at[j] *= factor;
  const Pairs weights = load_pairs(weight);
  Pairs normed = rounded(scaled);
#pragma unroll
  for (int j = 0; j < kVector / 2; ++j) normed.at[j] = __hmul2_rn(normed.at[j], weights.at[j]);  // rounds once
  return normed;
}

}  // namespace wf::fused
