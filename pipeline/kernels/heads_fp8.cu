// pipeline/kernels/heads_fp8.cu: heads_fp8.hpp on a GPU. A thread holds kVector channels of a head, and head_dim /
// kVector neighbouring lanes of a warp hold a row of it.
#include <algorithm>

#include "pipeline/kernels/heads.cuh"

namespace wf::fused {
namespace {

constexpr int kThreads = 128;
constexpr int kStatisticsRows = 256;  ///< rows of which a thread block finds sums and largest values
constexpr int kRoundedRows = 16;      ///< rows that a thread block rounds
constexpr int kProjectedRows = 32;    ///< rows of a projection of which a thread block finds sums and largest values

enum Part { part_q, part_k, part_v };

/// parts[part], by comparisons: an index that is not known to the compiler would put the array into local memory.
template <class T>
__device__ const T& chosen(const T (&parts)[3], int part) {
  return part == part_q ? parts[part_q] : part == part_k ? parts[part_k] : parts[part_v];
}

/// The thread block's part (q, k or v), sample and rows, and the thread's channels.
struct HeadSlice {
  int part, lanes, column, head, channel;
  std::int64_t sample, first_row, rows;
  HeadRows in;
  bool active;

  __device__ HeadSlice(const HeadsIn& heads, int rows_per_block)
      : part(static_cast<int>(blockIdx.z / heads.batch)),
        lanes(heads.head_dim / kVector),
        column((static_cast<int>(blockIdx.y) * kThreads + static_cast<int>(threadIdx.x)) * kVector),
        head(column / heads.head_dim),
        channel(column - head * heads.head_dim),
        sample(blockIdx.z % heads.batch),
        first_row(static_cast<std::int64_t>(blockIdx.x) * rows_per_block),
        in(chosen(heads.parts, part)),
        active(head < heads.heads) {
    const std::int64_t left = in.rows - first_row;
    rows = left < rows_per_block ? left : rows_per_block;
  }
  __device__ Values load_row(std::int64_t row) const {
    if (!active) return Values{};
    const auto* const data = static_cast<const __nv_bfloat16*>(in.data);
    return load(data + sample * in.sample_stride + (first_row + row) * in.row_stride + column);
  }
  /// Whether this is the first lane of the head.
  __device__ bool leads() const { return active && channel == 0; }
};

/// The sum over the lanes that hold a row of a head.
__device__ float sum_of_head(float value, int lanes) {
  for (int distance = lanes / 2; distance > 0; distance /= 2) value += __shfl_xor_sync(~0u, value, distance);
  return value;
}

/// For each head the largest squared norm of a row of q and k, and the largest magnitude of v; and sums of k by channel
/// over the rows of each block.
__global__ void statistics_kernel(HeadsIn heads, HeadStatistics statistics) {
  const HeadSlice slice(heads, kStatisticsRows);
  if (slice.rows <= 0) return;
  float most = 0;
  Values sums{};
  for (std::int64_t row = 0; row < slice.rows; ++row) {
    const Values values = slice.load_row(row);
    if (slice.part == part_v) {
      most = larger(most, largest_of(values));
      continue;
    }
    float squares = 0;
#pragma unroll
    for (int j = 0; j < kVector; ++j) {
      squares += values.at[j] * values.at[j];
      sums.at[j] += values.at[j];
    }
    most = larger(most, sum_of_head(squares, slice.lanes));
  }
  if (slice.part == part_v)
    for (int distance = slice.lanes / 2; distance > 0; distance /= 2)
      most = larger(most, __shfl_xor_sync(~0u, most, distance));
  const std::int64_t heads_before = (slice.part * heads.batch + slice.sample) * heads.heads;
  if (slice.leads()) atomicMax(statistics.most + heads_before + slice.head, __float_as_uint(most));
  const std::int64_t block = slice.sample * statistics.blocks + blockIdx.x, columns = heads.heads * heads.head_dim;
  if (slice.part == part_k && slice.active) store(statistics.sums + block * columns + slice.column, sums);
}

/// The least power of 2 by which magnitudes up to `most` are divided to be below 448.
__device__ float power_of_2(float most) {
  if (!isfinite(most)) return most;
  int exponent = 0;
  frexpf(larger(most, least_magnitude) / largest_e4m3, &exponent);
  return ldexpf(1, exponent);
}

/// A block of threads for kWarp channels: the threads of a channel, kMeanThreads of them, share the sums of all blocks.
constexpr int kMeanThreads = 32;

/// The mean of the thread's channel of k, returned to threads whose threadIdx.y is 0. The order of additions is fixed.
__device__ float mean_of(const HeadStatistics& statistics, std::int64_t sample, int columns, int column,
                         std::int64_t keys) {
  __shared__ float partial[kMeanThreads][kWarp];
  float sum = 0;
  for (std::int64_t block = threadIdx.y; block < statistics.blocks && column < columns; block += kMeanThreads)
    sum += statistics.sums[(sample * statistics.blocks + block) * columns + column];
  partial[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y > 0) return 0;
  for (int i = 1; i < kMeanThreads; ++i) sum += partial[i][threadIdx.x];
  return sum / static_cast<float>(keys);
}

/// The mean of k for each channel, and for the first channel of each head its scales.
__global__ void finish_kernel(HeadsIn heads, HeadStatistics statistics, HeadScales scales) {
  const int columns = heads.heads * heads.head_dim;
  const int column = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  const auto sample = static_cast<std::int64_t>(blockIdx.y);
  const float mean = mean_of(statistics, sample, columns, column, heads.parts[part_k].rows);
  if (column >= columns || threadIdx.y > 0) return;
  scales.k_mean[sample * columns + column] = mean;
  if (column % heads.head_dim != 0) return;
  const std::int64_t head = sample * heads.heads + column / heads.head_dim, all = heads.batch * heads.heads;
  const auto most = [&](int part) { return __uint_as_float(statistics.most[part * all + head]); };
  scales.scales[part_q * all + head] = power_of_2(sqrtf(most(part_q)));
  scales.scales[part_k * all + head] = power_of_2(2 * sqrtf(most(part_k)));
  scales.scales[part_v * all + head] = power_of_2(most(part_v));
}

/// Multiplies the row of a head, spread over `lanes` lanes, by the Hadamard matrix without its factor.
__device__ void rotate_head(Values& values, int lanes) {
#pragma unroll
  for (int distance = 1; distance < kVector; distance *= 2) {
#pragma unroll
    for (int j = 0; j < kVector; ++j) {
      if (j & distance) continue;
      const float a = values.at[j], b = values.at[j + distance];
      values.at[j] = a + b;
      values.at[j + distance] = a - b;
    }
  }
  for (int distance = 1; distance < lanes; distance *= 2) {
    const bool upper = threadIdx.x & static_cast<unsigned>(distance);
#pragma unroll
    for (int j = 0; j < kVector; ++j) {
      const float other = __shfl_xor_sync(~0u, values.at[j], distance);
      values.at[j] = upper ? other - values.at[j] : values.at[j] + other;
    }
  }
}

__global__ void round_heads_kernel(HeadsIn heads, HeadScales scales, HeadsOut out) {
  const HeadSlice slice(heads, kRoundedRows);
  if (slice.rows <= 0) return;
  const int columns = heads.heads * heads.head_dim;
  const std::int64_t head = (slice.part * heads.batch + slice.sample) * heads.heads + slice.head;
  const float scale = slice.active ? scales.scales[head] : 1;
  const float factor = slice.part == part_v ? 1 / scale : rsqrtf(static_cast<float>(heads.head_dim)) / scale;
  Values mean{};
  if (slice.part == part_k && slice.active) mean = load(scales.k_mean + slice.sample * columns + slice.column);
  auto* const to = static_cast<__nv_fp8_e4m3*>(chosen(out.parts, slice.part));
  for (std::int64_t row = 0; row < slice.rows; ++row) {
    Values values = slice.load_row(row);
    if (slice.part != part_v) {
#pragma unroll
      for (int j = 0; j < kVector; ++j) values.at[j] -= mean.at[j];
      rotate_head(values, slice.lanes);
    }
    const std::int64_t row_of_all = slice.sample * slice.in.rows + slice.first_row + row;
    if (slice.active) store(to + row_of_all * columns + slice.column, values, factor);
  }
}

// ---- Straight from a joined projection ----

/// The row of z that a thread block reads as q, k or v.
__device__ const __nv_bfloat16* projected(const Projection& projection, int part, std::int64_t row) {
  return static_cast<const __nv_bfloat16*>(projection.z) + (3 * row + part) * projection.shape.columns;
}

/// Sums of k by channel over some rows of a sample, k normed and rotated; or the largest magnitude of v for each head.
/// blockIdx: (block of rows, 0 for k and 1 for v, sample).
__global__ __launch_bounds__(kMostThreads) void projection_statistics_kernel(Projection projection,
                                                                             HeadStatistics statistics) {
  Row row(projection.shape);  // for the columns; its place changes below
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * kProjectedRows, sample = blockIdx.z;
  const std::int64_t end = min(first + kProjectedRows, projection.shape.rows_per_sample);
  const int part = blockIdx.y == 0 ? part_k : part_v;
  Values found[kVectors] = {};  // sums of k, or in the first of each vector the largest of v
  for (std::int64_t i = first; i < end; ++i) {
    Values values[kVectors];
    load_row(values, projected(projection, part, sample * projection.shape.rows_per_sample + i), row);
    if (part == part_v) {
#pragma unroll
      for (int n = 0; n < kVectors; ++n) found[n].at[0] = larger(found[n].at[0], largest_of(values[n]));
      continue;
    }
    rms_norm_row(values, static_cast<const __nv_bfloat16*>(projection.weight_k), projection.eps, row);
    const float* const turns = projection.angles + i * projection.head_dim;
#pragma unroll
    for (int n = 0; n < kVectors; ++n) {
      if (!row.has(n)) continue;
      rotate(values[n], turns + row.column(n) % projection.head_dim);
      for (int j = 0; j < kVector; ++j) found[n].at[j] += values[n].at[j];
    }
  }
#pragma unroll
  for (int n = 0; n < kVectors; ++n) {
    if (!row.has(n)) continue;
    const std::int64_t block = sample * statistics.blocks + blockIdx.x;
    if (part == part_k)
      store(statistics.sums + block * row.columns + row.column(n), found[n]);
    else
      atomicMax(statistics.most + (part_v * projection.batch + sample) * projection.heads +
                    row.column(n) / projection.head_dim,
                __float_as_uint(found[n].at[0]));
  }
}

/// The largest norm that a head of a normed row can have: RMSNorm leaves a row of `columns` channels with a norm of at
/// most the root of their number, before its weights.
__device__ float norm_bound(const void* weight, int column, const Projection& projection) {
  float most = 0;
  for (int i = 0; i < projection.head_dim; i += kVector)
    most = larger(most, largest_of(load(static_cast<const __nv_bfloat16*>(weight) + column + i)));
  return most * sqrtf(static_cast<float>(projection.shape.columns));
}

__global__ void finish_projection_kernel(Projection projection, HeadStatistics statistics, HeadScales scales) {
  const int columns = projection.shape.columns;
  const int column = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  const auto sample = static_cast<std::int64_t>(blockIdx.y);
  const float mean = mean_of(statistics, sample, columns, column, projection.shape.rows_per_sample);
  if (column >= columns || threadIdx.y > 0) return;
  scales.k_mean[sample * columns + column] = mean;
  if (column % projection.head_dim != 0) return;
  const std::int64_t head = sample * projection.heads + column / projection.head_dim;
  const std::int64_t all = projection.batch * projection.heads;
  scales.scales[part_q * all + head] = power_of_2(norm_bound(projection.weight_q, column, projection));
  scales.scales[part_k * all + head] = power_of_2(2 * norm_bound(projection.weight_k, column, projection));
  scales.scales[part_v * all + head] = power_of_2(__uint_as_float(statistics.most[part_v * all + head]));
}

/// A thread block for each row of q, of k and of v.
__global__ __launch_bounds__(kMostThreads) void round_projection_kernel(Projection projection, HeadScales scales,
                                                                        HeadsOut out) {
  const Row row(projection.shape);
  const int part = static_cast<int>(blockIdx.y), lanes = projection.head_dim / kVector;
  Values values[kVectors];
  load_row(values, projected(projection, part, row.index), row);
  if (part != part_v) {
    const void* const weight = part == part_q ? projection.weight_q : projection.weight_k;
    rms_norm_row(values, static_cast<const __nv_bfloat16*>(weight), projection.eps, row);
  }
  const float* const turns = projection.angles + row.in_sample * projection.head_dim;
  const float* const mean = scales.k_mean + row.sample * row.columns;
  const float* const scale = scales.scales + (part * projection.batch + row.sample) * projection.heads;
  auto* const to = static_cast<__nv_fp8_e4m3*>(chosen(out.parts, part)) + row.index * row.columns;
  const float norm = part == part_v ? 1 : rsqrtf(static_cast<float>(projection.head_dim));
#pragma unroll
  for (int n = 0; n < kVectors; ++n) {
    const int head = row.column(n) / projection.head_dim, channel = row.column(n) - head * projection.head_dim;
    if (part != part_v) {
      if (row.has(n)) rotate(values[n], turns + channel);
      if (row.has(n) && part == part_k) {
        const Values means = load(mean + row.column(n));
        for (int j = 0; j < kVector; ++j) values[n].at[j] -= means.at[j];
      }
      rotate_head(values[n], lanes);  // by all lanes of the warp
    }
    if (row.has(n)) store(to + row.column(n), values[n], norm / scale[head]);
  }
}

unsigned parts_of(std::int64_t whole, std::int64_t part) { return static_cast<unsigned>((whole + part - 1) / part); }

dim3 grid(const HeadsIn& heads, int rows_per_block) {
  const std::int64_t rows = std::max(heads.parts[part_q].rows, heads.parts[part_k].rows);
  return {parts_of(rows, rows_per_block), parts_of(heads.heads * heads.head_dim, kThreads * kVector),
          static_cast<unsigned>(3 * heads.batch)};
}

}  // namespace

std::int64_t projection_blocks(std::int64_t rows) { return parts_of(rows, kProjectedRows); }

void quantise_projection(const Projection& projection, const HeadStatistics& statistics, const HeadScales& scales,
                         const HeadsOut& out, cudaStream_t stream) {
  const int threads = threads_for(projection.shape);
  const dim3 blocks(static_cast<unsigned>(statistics.blocks), 2, static_cast<unsigned>(projection.batch));
  projection_statistics_kernel<<<blocks, threads, 0, stream>>>(projection, statistics);
  const dim3 channels(parts_of(projection.shape.columns, kWarp), static_cast<unsigned>(projection.batch));
  finish_projection_kernel<<<channels, dim3(kWarp, kMeanThreads), 0, stream>>>(projection, statistics, scales);
  const dim3 rows(static_cast<unsigned>(projection.shape.rows), 3);
  round_projection_kernel<<<rows, threads, 0, stream>>>(projection, scales, out);
}

std::int64_t statistics_blocks(std::int64_t keys) { return parts_of(keys, kStatisticsRows); }

void quantise_heads(const HeadsIn& heads, const HeadStatistics& statistics, const HeadScales& scales,
                    const HeadsOut& out, cudaStream_t stream) {
  statistics_kernel<<<grid(heads, kStatisticsRows), kThreads, 0, stream>>>(heads, statistics);
  const dim3 channels(parts_of(heads.heads * heads.head_dim, kWarp), static_cast<unsigned>(heads.batch));
  finish_kernel<<<channels, dim3(kWarp, kMeanThreads), 0, stream>>>(heads, statistics, scales);
  round_heads_kernel<<<grid(heads, kRoundedRows), kThreads, 0, stream>>>(heads, scales, out);
}

}  // namespace wf::fused
