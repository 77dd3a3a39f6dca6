// pipeline/kernels/heads_fp8.cu: heads_fp8.hpp on a GPU. A thread holds kVector channels of a head, and head_dim /
// kVector neighbouring lanes of a warp hold a row of it.
#include <algorithm>

#include "pipeline/kernels/heads.cuh"

namespace wf::fused {
namespace {

constexpr int kThreads = 128;
constexpr int kStatisticsRows = 128;  ///< rows of which a thread block finds sums and largest values
constexpr int kRoundedRows = 16;      ///< rows that a thread block rounds
constexpr int kProjectedRows = 4;     ///< sampled rows of a projection that a thread block sums
constexpr int kRowsAhead = 4;         ///< rows that a thread loads before it uses the first of them

enum Part { part_q, part_k, part_v };

/// Parts that follow each other, for which a kernel is launched.
struct PartRange {
  int first, count;
};
constexpr PartRange queries{part_q, 1}, keys{part_k, 2}, values{part_v, 1};

/// parts[part], by comparisons: an index that is not known to the compiler would put the array into local memory.
template <class T>
__device__ const T& chosen(const T (&parts)[3], int part) {
  return part == part_q ? parts[part_q] : part == part_k ? parts[part_k] : parts[part_v];
}

/// The thread block's part (q, k or v), sample and rows, and the thread's channels, in grid().
template <int head_dim>
struct HeadSlice {
  static constexpr int lanes = head_dim / kVector;  ///< that hold a row of a head
  int part, column, head;
  std::int64_t sample, first_row, rows;
  HeadRows in;
  bool active;

  __device__ HeadSlice(const HeadsIn& heads, int rows_per_block, int first_part)
      : part(first_part + static_cast<int>(blockIdx.z / heads.batch)),
        column((static_cast<int>(blockIdx.y) * kThreads + static_cast<int>(threadIdx.x)) * kVector),
        head(column / head_dim),
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
  __device__ bool leads() const { return active && column % head_dim == 0; }

  /// Calls use(row, values) for each row of the block. Rows are loaded some at a time, so that memory is kept busy.
  template <class Use>
  __device__ void for_rows(Use&& use) const {
    for (std::int64_t row = 0; row < rows; row += kRowsAhead) {
      Values ahead[kRowsAhead];
#pragma unroll
      for (int i = 0; i < kRowsAhead; ++i) ahead[i] = row + i < rows ? load_row(row + i) : Values{};
#pragma unroll
      for (int i = 0; i < kRowsAhead; ++i)
        if (row + i < rows) use(row + i, ahead[i]);
    }
  }
};

/// The sum over the lanes that hold a row of a head.
template <int lanes>
__device__ float sum_of_head(float value) {
#pragma unroll
  for (int distance = lanes / 2; distance > 0; distance /= 2) value += __shfl_xor_sync(~0u, value, distance);
  return value;
}

/// The larger() of the lanes that hold a row of a head.
template <int lanes>
__device__ float largest_of_head(float value) {
#pragma unroll
  for (int distance = lanes / 2; distance > 0; distance /= 2)
    value = larger(value, __shfl_xor_sync(~0u, value, distance));
  return value;
}

/// The index of a sample's k or v among those of all samples.
__device__ std::int64_t plane(int part, std::int64_t sample, std::int64_t batch) {
  return (part - part_k) * batch + sample;
}

__device__ float square_sum(const Values& values) {
  float squares = 0;
#pragma unroll
  for (int j = 0; j < kVector; ++j) squares += values.at[j] * values.at[j];
  return squares;
}

/// For each head of the parts from `first_part` on, the largest squared norm of a row of q and k, and the largest
/// magnitude of v; and sums of k and v by channel over those rows of each block that are in the sample.
template <int head_dim>
__global__ void statistics_kernel(HeadsIn heads, int first_part, HeadStatistics statistics) {
  using Slice = HeadSlice<head_dim>;
  const Slice slice(heads, kStatisticsRows, first_part);
  if (slice.rows <= 0) return;
  float most = 0;
  Values sums{};
  slice.for_rows([&](std::int64_t row, const Values& values) {
    most = larger(most, slice.part == part_v ? largest_of(values) : sum_of_head<Slice::lanes>(square_sum(values)));
    if (slice.part == part_q || !is_sampled(slice.first_row + row, slice.in.rows)) return;
#pragma unroll
    for (int j = 0; j < kVector; ++j) sums.at[j] += values.at[j];
  });
  if (slice.part == part_v) most = largest_of_head<Slice::lanes>(most);
  const std::int64_t heads_before = (slice.part * heads.batch + slice.sample) * heads.heads;
  if (slice.leads()) atomicMax(statistics.most + heads_before + slice.head, __float_as_uint(most));
  if (slice.part == part_q || !slice.active) return;
  const std::int64_t block = plane(slice.part, slice.sample, heads.batch) * statistics.blocks + blockIdx.x;
  store(statistics.sums + block * heads.heads * head_dim + slice.column, sums);
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

/// The mean of each channel in the sampled ones of `keys` rows. The order of additions is fixed. blockIdx: (channels,
/// plane()).
__global__ void mean_kernel(HeadStatistics statistics, int columns, std::int64_t keys, float* means) {
  __shared__ float partial[kMeanThreads][kWarp];
  const int column = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  float sum = 0;
  for (std::int64_t block = threadIdx.y; block < statistics.blocks && column < columns; block += kMeanThreads)
    sum += statistics.sums[(blockIdx.y * statistics.blocks + block) * columns + column];
  partial[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y > 0 || column >= columns) return;
  for (int i = 1; i < kMeanThreads; ++i) sum += partial[i][threadIdx.x];
  means[static_cast<std::int64_t>(blockIdx.y) * columns + column] = sum / static_cast<float>(sample_size(keys));
}

/// The scales of k and v, a head of a sample for each thread. Subtracting a mean of rows makes no row more than twice
/// as long as the longest, and no number more than twice as large as the largest.
__global__ void finish_keys_kernel(HeadStatistics statistics, HeadScales scales, std::int64_t heads) {
  const std::int64_t head = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (head >= heads) return;
  const auto most = [&](int part) { return __uint_as_float(statistics.most[part * heads + head]); };
  scales.scales[part_k * heads + head] = power_of_2(2 * sqrtf(most(part_k)));
  scales.scales[part_v * heads + head] = power_of_2(2 * most(part_v));
}

/// The scales of q, a head of a sample for each thread.
__global__ void finish_queries_kernel(HeadsIn heads, HeadStatistics statistics, HeadScales scales) {
  const std::int64_t head = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (head < heads.batch * heads.heads) scales.scales[head] = power_of_2(sqrtf(__uint_as_float(statistics.most[head])));
}

/// Multiplies the row of a head, spread over `lanes` lanes, by the Hadamard matrix without its factor.
template <int lanes>
__device__ void rotate_head(Values& values) {
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
#pragma unroll
  for (int distance = 1; distance < lanes; distance *= 2) {
    const float sign = threadIdx.x & static_cast<unsigned>(distance) ? -1.0f : 1.0f;
#pragma unroll
    for (int j = 0; j < kVector; ++j)
      values.at[j] = fmaf(sign, values.at[j], __shfl_xor_sync(~0u, values.at[j], distance));
  }
}

__device__ void subtract(Values& values, const Values& others) {
#pragma unroll
  for (int j = 0; j < kVector; ++j) values.at[j] -= others.at[j];
}

template <int head_dim>
__global__ void round_heads_kernel(HeadsIn heads, int first_part, HeadScales scales, HeadsOut out) {
  using Slice = HeadSlice<head_dim>;
  const Slice slice(heads, kRoundedRows, first_part);
  if (slice.rows <= 0) return;
  const int columns = heads.heads * head_dim;
  const std::int64_t head = (slice.part * heads.batch + slice.sample) * heads.heads + slice.head;
  const float scale = slice.active ? scales.scales[head] : 1;
  const float factor = (slice.part == part_v ? 1 : rsqrtf(static_cast<float>(head_dim))) / scale;
  Values mean{};
  if (slice.part != part_q && slice.active)
    mean = load(scales.means + plane(slice.part, slice.sample, heads.batch) * columns + slice.column);
  auto* const to = static_cast<__nv_fp8_e4m3*>(chosen(out.parts, slice.part));
  slice.for_rows([&](std::int64_t row, Values values) {
    subtract(values, mean);
    if (slice.part != part_v) rotate_head<Slice::lanes>(values);
    const std::int64_t row_of_all = slice.sample * slice.in.rows + slice.first_row + row;
    if (slice.active) store(to + row_of_all * columns + slice.column, values, factor);
  });
}

// ---- Straight from a joined projection ----

/// The row of z that is q, k or v of a row.
__device__ const __nv_bfloat16* projected(const Projection& projection, int part, std::int64_t row) {
  return static_cast<const __nv_bfloat16*>(projection.z) + (3 * row + part) * projection.shape.columns;
}

/// The channel of a head that a thread's vectors begin at: the same one for all of them, because each vector of a warp
/// holds whole heads.
template <int head_dim>
__device__ int channel_of(const Row& row) {
  static_assert(kWarp * kVector % head_dim == 0);
  return row.column(0) % head_dim;
}

/// Values of q or k as attention takes them, from those of the projection.
__device__ Values normed_and_turned(const Pairs& z, float factor, const __nv_bfloat16* weight, const Values& turns) {
  Values values = widened(rms_normed(z, factor, weight));
  rotate(values, turns);
  return values;
}

/// Sums by channel over some of the sampled rows of k, normed and turned, or of v. blockIdx: (block of them, k or v,
/// sample).
template <int head_dim>
__global__ __launch_bounds__(kMostThreads) void sum_keys_kernel(Projection projection, HeadStatistics statistics) {
  const int part = part_k + static_cast<int>(blockIdx.y);
  const Row row(projection.shape);  // for the columns
  const std::int64_t rows = projection.shape.rows_per_sample, samples = sample_size(rows);
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * kProjectedRows;
  const auto* const weight = static_cast<const __nv_bfloat16*>(projection.weight_k);
  Values sums[kVectors] = {};
  for (std::int64_t i = first; i < min(first + kProjectedRows, samples); ++i) {
    const std::int64_t key = sampled_row(i, rows);
    Pairs z[kVectors];
    load_row(z, projected(projection, part, row.sample * rows + key), row);
    const Values turns = load(projection.angles + key * head_dim + channel_of<head_dim>(row));
    const float factor = part == part_v ? 1 : rms_factor(z, projection.eps, row);
#pragma unroll
    for (int n = 0; n < kVectors; ++n) {
      if (!row.has(n)) continue;
      const Values values =
          part == part_v ? widened(z[n]) : normed_and_turned(z[n], factor, weight + row.column(n), turns);
#pragma unroll
      for (int j = 0; j < kVector; ++j) sums[n].at[j] += values.at[j];
    }
  }
  const std::int64_t block = plane(part, row.sample, projection.batch) * statistics.blocks + blockIdx.x;
  float* const to = statistics.sums + block * row.columns;
#pragma unroll
  for (int n = 0; n < kVectors; ++n)
    if (row.has(n)) store(to + row.column(n), sums[n]);
}

/// The largest norm that a head of a normed row can have: RMSNorm leaves a row of `columns` channels with a norm of at
/// most the root of their number, before its weights.
__device__ float norm_bound(const void* weight, int column, const Projection& projection) {
  float most = 0;
  for (int i = 0; i < projection.head_dim; i += kVector)
    most = larger(most, largest_of(load(static_cast<const __nv_bfloat16*>(weight) + column + i)));
  return most * sqrtf(static_cast<float>(projection.shape.columns));
}

/// The scales of all parts, a head of a sample for each thread.
__global__ void finish_projection_kernel(Projection projection, HeadStatistics statistics, HeadScales scales) {
  const std::int64_t head = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const std::int64_t all = projection.batch * projection.heads;
  if (head >= all) return;
  const int column = static_cast<int>(head % projection.heads) * projection.head_dim;
  scales.scales[part_q * all + head] = power_of_2(norm_bound(projection.weight_q, column, projection));
  scales.scales[part_k * all + head] = power_of_2(2 * norm_bound(projection.weight_k, column, projection));
  scales.scales[part_v * all + head] = power_of_2(2 * __uint_as_float(statistics.most[part_v * all + head]));
}

/// A thread block for each row of q, of k and of v. Registers are held to what lets half of Hopper's warps be under
/// way.
template <int head_dim>
__global__ __launch_bounds__(kMostThreads, 2) void round_projection_kernel(Projection projection, HeadScales scales,
                                                                           HeadsOut out) {
  const Row row(projection.shape);
  const int part = static_cast<int>(blockIdx.y);
  Pairs z[kVectors];
  load_row(z, projected(projection, part, row.index), row);
  const auto* const weight =
      static_cast<const __nv_bfloat16*>(part == part_q ? projection.weight_q : projection.weight_k);
  const Values turns = load(projection.angles + row.in_sample * head_dim + channel_of<head_dim>(row));
  const float factor = part == part_v ? 1 : rms_factor(z, projection.eps, row);
  const float* const mean =
      part == part_q ? nullptr : scales.means + plane(part, row.sample, projection.batch) * row.columns;
  const float* const scale = scales.scales + (part * projection.batch + row.sample) * projection.heads;
  auto* const to = static_cast<__nv_fp8_e4m3*>(chosen(out.parts, part)) + row.index * row.columns;
  const float norm = part == part_v ? 1 : rsqrtf(static_cast<float>(head_dim));
#pragma unroll
  for (int n = 0; n < kVectors; ++n) {
    const int column = row.column(n);
    Values values = widened(z[n]);
    if (part != part_v) {
      if (row.has(n)) values = normed_and_turned(z[n], factor, weight + column, turns);
    }
    if (row.has(n) && mean) subtract(values, load(mean + column));
    if (part != part_v) rotate_head<head_dim / kVector>(values);  // by all lanes of the warp
    if (row.has(n)) store(to + column, values, __fdividef(norm, scale[column / head_dim]));
  }
}

unsigned parts_of(std::int64_t whole, std::int64_t part) { return static_cast<unsigned>((whole + part - 1) / part); }

/// Its planes are the samples of the first part, then those of the next. All of them have as many rows.
dim3 grid(const HeadsIn& heads, int rows_per_block, PartRange parts) {
  return {parts_of(heads.parts[parts.first].rows, rows_per_block),
          parts_of(heads.heads * heads.head_dim, kThreads * kVector), static_cast<unsigned>(parts.count * heads.batch)};
}

/// Calls launch.operator()<head_dim>().
template <class Launch>
void with_head_dim(int head_dim, Launch&& launch) {
  if (head_dim == 64) launch.template operator()<64>();
  if (head_dim == 128) launch.template operator()<128>();
  if (head_dim == 256) launch.template operator()<256>();
}

/// The parts of a joined projection as heads, q and k as they are before their norms.
HeadsIn heads_in(const Projection& projection) {
  const std::int64_t rows = projection.shape.rows_per_sample, columns = projection.shape.columns;
  const auto part = [&](Part part) {
    return HeadRows{static_cast<const __nv_bfloat16*>(projection.z) + part * columns, rows, 3 * columns * rows,
                    3 * columns};
  };
  return {{part(part_q), part(part_k), part(part_v)}, projection.batch, projection.heads, projection.head_dim};
}

void find_means(const HeadStatistics& statistics, const HeadScales& scales, std::int64_t batch, int columns,
                std::int64_t keys, cudaStream_t stream) {
  const dim3 channels(parts_of(columns, kWarp), static_cast<unsigned>(2 * batch));
  mean_kernel<<<channels, dim3(kWarp, kMeanThreads), 0, stream>>>(statistics, columns, keys, scales.means);
}

void find_statistics(const HeadsIn& heads, PartRange parts, const HeadStatistics& statistics, cudaStream_t stream) {
  with_head_dim(heads.head_dim, [&]<int head_dim> {
    statistics_kernel<head_dim>
        <<<grid(heads, kStatisticsRows, parts), kThreads, 0, stream>>>(heads, parts.first, statistics);
  });
}

void round_heads(const HeadsIn& heads, PartRange parts, const HeadScales& scales, const HeadsOut& out,
                 cudaStream_t stream) {
  with_head_dim(heads.head_dim, [&]<int head_dim> {
    round_heads_kernel<head_dim>
        <<<grid(heads, kRoundedRows, parts), kThreads, 0, stream>>>(heads, parts.first, scales, out);
  });
}

__global__ void add_mean_kernel(__nv_bfloat16* x, const float* mean, Shape shape) {
  const Row row(shape);
  __nv_bfloat16* const start = x + row.index * row.columns;
#pragma unroll
  for (int n = 0; n < kVectors; ++n) {
    if (!row.has(n)) continue;
    const int column = row.column(n);
    Values sum = load(start + column);
    const Values added = load(mean + row.sample * row.columns + column);
#pragma unroll
    for (int j = 0; j < kVector; ++j) sum.at[j] += added.at[j];
    store(start + column, sum);
  }
}

}  // namespace

void add_mean(void* x, const float* mean, Shape shape, cudaStream_t stream) {
  add_mean_kernel<<<grid_of(shape), threads_for(shape), 0, stream>>>(static_cast<__nv_bfloat16*>(x), mean, shape);
}

std::int64_t projection_blocks(std::int64_t rows) { return parts_of(sample_size(rows), kProjectedRows); }

void quantise_projection(const Projection& projection, const HeadStatistics& statistics, const HeadScales& scales,
                         const HeadsOut& out, cudaStream_t stream) {
  const int threads = threads_for(projection.shape);
  find_statistics(heads_in(projection), values, statistics, stream);
  const dim3 sums(static_cast<unsigned>(statistics.blocks), 2, static_cast<unsigned>(projection.batch));
  const unsigned heads = parts_of(projection.batch * projection.heads, kThreads);
  with_head_dim(projection.head_dim, [&]<int head_dim> {
    sum_keys_kernel<head_dim><<<sums, threads, 0, stream>>>(projection, statistics);
    find_means(statistics, scales, projection.batch, projection.shape.columns, projection.shape.rows_per_sample,
               stream);
    finish_projection_kernel<<<heads, kThreads, 0, stream>>>(projection, statistics, scales);
    round_projection_kernel<head_dim><<<grid_of(projection.shape, 3), threads, 0, stream>>>(projection, scales, out);
  });
}

std::int64_t statistics_blocks(std::int64_t keys) { return parts_of(keys, kStatisticsRows); }

void quantise_keys(const HeadsIn& heads, const HeadStatistics& statistics, const HeadScales& scales,
                   const HeadsOut& out, cudaStream_t stream) {
  find_statistics(heads, keys, statistics, stream);
  find_means(statistics, scales, heads.batch, heads.heads * heads.head_dim, heads.parts[part_k].rows, stream);
  const std::int64_t all = heads.batch * heads.heads;
  finish_keys_kernel<<<parts_of(all, kThreads), kThreads, 0, stream>>>(statistics, scales, all);
  round_heads(heads, keys, scales, out, stream);
}

void quantise_queries(const HeadsIn& heads, const HeadStatistics& statistics, const HeadScales& scales,
                      const HeadsOut& out, cudaStream_t stream) {
  find_statistics(heads, queries, statistics, stream);
  finish_queries_kernel<<<parts_of(heads.batch * heads.heads, kThreads), kThreads, 0, stream>>>(heads, statistics,
                                                                                                scales);
  round_heads(heads, queries, scales, out, stream);
}

}  // namespace wf::fused
