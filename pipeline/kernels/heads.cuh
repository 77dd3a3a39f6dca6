// pipeline/kernels/heads.cuh: what kernels do to a thread's part of a row of queries or keys.
#pragma once

#include "pipeline/kernels/rows.cuh"

namespace wf::fused {

/// Rotates the channel pairs (2j, 2j+1) by their angles, given as cosine and sine of each pair.
__device__ inline void rotate(Values& values, const float* angles) {
  const Values turns = load(angles);  // cosines and sines of 4 pairs
#pragma unroll
  for (int j = 0; j < kVector; j += 2) {
    const float re = values.at[j], im = values.at[j + 1], cosine = turns.at[j], sine = turns.at[j + 1];
    values.at[j] = re * cosine - im * sine;
    values.at[j + 1] = re * sine + im * cosine;
  }
}

/// Replaces values by bf16(bf16(values * rsqrt(mean(row^2) + eps)) * weight).
__device__ inline void rms_norm_row(Values (&values)[kVectors], const __nv_bfloat16* weight, float eps,
                                    const Row& row) {
  float squares = 0;
#pragma unroll
  for (int i = 0; i < kVectors; ++i)
    for (int j = 0; j < kVector; ++j) squares += values[i].at[j] * values[i].at[j];
  const float factor = rsqrtf(block_sum(squares) / static_cast<float>(row.columns) + eps);
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    if (!row.has(i)) continue;
    const Values weights = load(weight + row.column(i));
#pragma unroll
    for (int j = 0; j < kVector; ++j) values[i].at[j] = rounded(rounded(values[i].at[j] * factor) * weights.at[j]);
  }
}

}  // namespace wf::fused
