// pipeline/kernels/fused_launch.hpp: the kernels of fused_cuda.cu as functions of plain pointers: no LibTorch here, for
// its headers take nvcc up to a minute. All pointers are device memory, 16-byte aligned; `columns` is a multiple of 8.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace wf::fused {

/// Rows of one width. Row i belongs to sample i / rows_per_sample.
struct Shape {
  std::int64_t rows, rows_per_sample;
  int columns;
};

/// One f32 value a column, for each sample: sample s has its values at data + s * stride (stride 0: all the same).
struct PerColumn {
  const float* data;
  std::int64_t stride;
};

enum class Element { f32, bf16 };

/// out (bf16, rows one after another) = LayerNorm(x) * (gain_is_offset ? 1 + gain : gain) + shift. A bf16 x rounds
/// LayerNorm(x) to bf16 first. Samples of x begin `x_stride` values apart.
void layer_norm(const void* x, Element x_type, std::int64_t x_stride, PerColumn gain, bool gain_is_offset,
                PerColumn shift, float eps, void* out, Shape shape, cudaStream_t stream);

/// out (bf16, rows one after another) = bf16(bf16(z * rsqrt(mean(z^2) + eps)) * weight). z bf16, row i at z +
/// i * z_stride; weight bf16.
void rms_norm(const void* z, std::int64_t z_stride, const void* weight, float eps, void* out, Shape shape,
              cudaStream_t stream);

/// Where heads go (parallel/head_exchange.hpp, HeadBlocks): the rank's own block, in which q, k and v of the samples
/// lie `own_stride` values apart, and those of the others.
struct HeadPlaces {
  void *own, *others;
  std::int64_t own_stride, batch, rows, first_row;  ///< rows of a sample in a block; the place of the first one
  int heads, head_dim, ranks, own_first, own_heads;
};

/// z (bf16): rows of q, k and v, `shape.columns` values each, one after another. q and k to their places as
/// rotate(bf16(bf16(q * rsqrt(mean(q^2) + eps)) * weight)), v as it is. angles: cos and sin of each channel pair of a
/// head, [rows_per_sample, head_dim / 2, 2] f32.
void write_heads(const void* z, const void* weight_q, const void* weight_k, const float* angles, float eps,
                 HeadPlaces places, Shape shape, cudaStream_t stream);

/// out (f32, may be x) = x + y * gate, y bf16. gate.data nullptr: 1.
void add_gated(const void* x, Element x_type, const void* y, PerColumn gate, float* out, Shape shape,
               cudaStream_t stream);

}  // namespace wf::fused
