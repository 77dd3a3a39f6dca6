// pipeline/kernels/fused_launch.hpp: launches the kernels of fused_cuda.cu on plain pointers. No LibTorch header here:
// they take nvcc up to a minute. All pointers are device memory, 16-byte aligned; `columns` is a multiple of 8. The
// kernels are queued on `stream`; launch errors stay for cudaGetLastError().
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "parallel/shard.hpp"

namespace wf::fused {

/// Rows of `columns` values each. Row i belongs to sample i / rows_per_sample.
struct Shape {
  std::int64_t rows, rows_per_sample;
  int columns;
};

/// One f32 value per column and sample. Those of sample s begin at data + s * stride; with stride 0 all samples share
/// them.
struct PerColumn {
  const float* data;
  std::int64_t stride;
};

enum class Element { f32, bf16 };
enum class Float8 { e4m3, e5m2 };

/// Dense rows to be written: bf16, or where `scales` is set, F8_E4M3 with a f32 scale for each row.
struct RowsOut {
  void* values;
  float* scales;
};

/// Rows of samples that begin `stride` values apart; rows within a sample are dense.
struct Samples {
  const void* data;
  Element type;
  std::int64_t stride;
};
/// What is added to rows before they are normed: y * gate, as add_gated() does. y is bf16; null: nothing.
struct Addend {
  const void* y;
  std::int64_t y_stride;  ///< values from one sample to the next
  PerColumn gate;         ///< null data stands for 1
  float* sum;             ///< where the sums go, may be x
  std::int64_t sum_stride;
};
/// The affine part of a LayerNorm.
struct NormWeights {
  PerColumn gain;
  bool gain_is_offset;  ///< the factor is 1 + gain
  PerColumn shift;
};

/// out = LayerNorm(x + addend) * gain + shift. For a bf16 x to which nothing is added, LayerNorm(x) is rounded to bf16
/// first.
void layer_norm(Samples x, Addend addend, NormWeights weights, float eps, RowsOut out, Shape shape,
                cudaStream_t stream);

/// out (F8_E4M3) = x, or GELU of x in the tanh approximation. x is bf16 with dense rows.
void quantise_rows(const void* x, bool through_gelu, RowsOut out, Shape shape, cudaStream_t stream);

/// out (bf16, dense rows) = bf16(bf16(z * rsqrt(mean(z^2) + eps)) * weight). z is bf16, its row i at z + i * z_stride;
/// weight is bf16.
void rms_norm(const void* z, std::int64_t z_stride, const void* weight, float eps, void* out, Shape shape,
              cudaStream_t stream);

/// Where heads are written: a HeadBlocks (parallel/head_exchange.hpp) as pointers. All heads are bf16.
struct HeadPlaces {
  void* own;                ///< this rank's block
  void* others;             ///< the blocks of the other ranks, one after another
  std::int64_t own_stride;  ///< values from one sample's q, k or v to the next in the own block
  std::int64_t batch;
  std::int64_t rows;       ///< rows of a sample in a block
  std::int64_t first_row;  ///< row of the blocks where the first row of a sample goes
  int heads, head_dim;     ///< heads of all ranks, divided by share_of(heads, ranks, rank)
  int ranks, rank;         ///< number of ranks, and this one
  Range own_heads;         ///< share_of() this rank
};

/// z (bf16) holds dense rows of q, k and v, `shape.columns` values each, side by side. Writes
/// rotate(bf16(bf16(q * rsqrt(mean(q^2) + eps)) * weight_q)) to the places of q, the same of k with weight_k, and v as
/// it is. angles: cosine and sine of each channel pair of a head, [rows_per_sample, head_dim / 2, 2] f32.
void write_heads(const void* z, const void* weight_q, const void* weight_k, const float* angles, float eps,
                 HeadPlaces places, Shape shape, cudaStream_t stream);

/// Rows of heads, bf16: head after head within a row.
struct HeadRows {
  const void* data;
  std::int64_t rows, sample_stride, row_stride;
};
struct HeadsIn {
  HeadRows parts[3];  ///< q, k, v
  std::int64_t batch;
  int heads, head_dim;  ///< head_dim is 64, 128 or 256
};
/// What is found on the way to heads in 8 bits.
struct HeadStatistics {
  unsigned* most;       ///< [3, batch, heads], zero before
  float* sums;          ///< [2, batch, blocks, heads * head_dim]: of sampled k, then v (fp8_format.hpp)
  std::int64_t blocks;  ///< statistics_blocks() of the keys, or projection_blocks() of the rows
};
struct HeadScales {
  float* scales;  ///< [3, batch, heads]
  float* means;   ///< [2, batch, heads * head_dim]: of k, then v
};
/// q, k and v in F8_E4M3 with dense rows.
struct HeadsOut {
  void* parts[3];
};
std::int64_t statistics_blocks(std::int64_t keys);
/// k and v, or q alone; heads_fp8.hpp has the formulas. What belongs to the other parts is left as it is.
void quantise_keys(const HeadsIn& heads, const HeadStatistics& statistics, const HeadScales& scales,
                   const HeadsOut& out, cudaStream_t stream);
void quantise_queries(const HeadsIn& heads, const HeadStatistics& statistics, const HeadScales& scales,
                      const HeadsOut& out, cudaStream_t stream);

/// A joined projection as write_heads() takes it.
struct Projection {
  const void* z;
  const void *weight_q, *weight_k;
  const float* angles;
  float eps;
  Shape shape;
  std::int64_t batch;
  int heads, head_dim;  ///< head_dim is 64, 128 or 256
};
std::int64_t projection_blocks(std::int64_t rows);
void quantise_projection(const Projection& projection, const HeadStatistics& statistics, const HeadScales& scales,
                         const HeadsOut& out, cudaStream_t stream);

/// x (bf16, dense rows) += mean [samples, columns].
void add_mean(void* x, const float* mean, Shape shape, cudaStream_t stream);

/// out (f32, may be x) = x + y * gate, with y bf16. A null gate.data stands for 1.
void add_gated(const void* x, Element x_type, const void* y, PerColumn gate, float* out, Shape shape,
               cudaStream_t stream);

/// out (bf16) = bf16(weight * scale), [rows, columns] with dense rows. scale has a f32 for each row; columns is a
/// multiple of 16.
void widen(const void* weight, Float8 type, const float* scale, void* out, std::int64_t rows, std::int64_t columns,
           cudaStream_t stream);

}  // namespace wf::fused
