// pipeline/kernels/fused_cuda.cu: the kernels between the matrix products of a DiT block, each in one pass over memory.
// They are bound by bandwidth (rows.cuh).
#include <algorithm>

#include "parallel/shard.hpp"
#include "pipeline/kernels/fused_launch.hpp"
#include "pipeline/kernels/heads.cuh"

namespace wf::fused {
namespace {

/// Adds this thread's part of `addend` to a row, and writes the sums.
__device__ void add_to_row(Values (&values)[kVectors], const Addend& addend, const Row& row) {
  const std::int64_t start = row.in_sample * row.columns;
  const auto* const y = static_cast<const __nv_bfloat16*>(addend.y) + row.sample * addend.y_stride + start;
  float* const sum = addend.sum + row.sample * addend.sum_stride + start;
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    if (!row.has(i)) continue;
    const int column = row.column(i);
    const Values added = load(y + column);
    const Values gates = addend.gate.data ? load(addend.gate.data + row.sample * addend.gate.stride + column)
                                          : Values{{1, 1, 1, 1, 1, 1, 1, 1}};
#pragma unroll
    for (int j = 0; j < kVector; ++j) values[i].at[j] += added.at[j] * gates.at[j];
    store(sum + column, values[i]);
  }
}

template <class T, bool adds, class Out>
__global__ void layer_norm_kernel(const T* x, std::int64_t x_stride, Addend addend, NormWeights weights, float eps,
                                  RowsOf<Out> out, Shape shape) {
  const Row row(shape);
  Values values[kVectors];
  load_row(values, x + row.sample * x_stride + row.in_sample * row.columns, row);
  if (adds) add_to_row(values, addend, row);
  float sum = 0;
#pragma unroll
  for (int i = 0; i < kVectors; ++i)
    for (int j = 0; j < kVector; ++j) sum += values[i].at[j];
  const float mean = block_sum(sum) / static_cast<float>(row.columns);
  float squares = 0;
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    if (!row.has(i)) continue;
    for (int j = 0; j < kVector; ++j) squares += (values[i].at[j] - mean) * (values[i].at[j] - mean);
  }
  const float factor = rsqrtf(block_sum(squares) / static_cast<float>(row.columns) + eps);
  constexpr bool rounds = sizeof(T) == sizeof(__nv_bfloat16) && !adds;
  const float base = weights.gain_is_offset ? 1.0f : 0.0f;
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    if (!row.has(i)) continue;
    const int column = row.column(i);
    const Values gains = load(weights.gain.data + row.sample * weights.gain.stride + column);
    const Values shifts = load(weights.shift.data + row.sample * weights.shift.stride + column);
#pragma unroll
    for (int j = 0; j < kVector; ++j) values[i].at[j] = (values[i].at[j] - mean) * factor;
    if (rounds) values[i] = widened(rounded(values[i]));
#pragma unroll
    for (int j = 0; j < kVector; ++j) values[i].at[j] = values[i].at[j] * (base + gains.at[j]) + shifts.at[j];
  }
  write_row(values, out, row);
}

/// GELU in the tanh approximation: x / (1 + 2^(c (x + 0.044715 x^3))), c = -2 sqrt(2/pi) log2(e). Two instructions of
/// the special function unit and six others: more would take longer than memory does. Errors are those of f32; that of
/// tanh.approx, 2^-11 of 1, would be large beside the small results for negative x. Subnormal results may become 0.
__device__ float gelu(float x) {
  constexpr float c = -2.3022081982f;
  float power, inverse;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(x * fmaf(c * 0.044715f, x * x, c)));
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(inverse) : "f"(1 + power));
  return x * inverse;
}

template <int vectors, bool through_gelu>
__device__ void quantise_row(const __nv_bfloat16* x, RowsOf<__nv_fp8_e4m3> out, const Shape& shape) {
  const Row row(shape);
  Values values[vectors];
  load_row(values, x + row.index * row.columns, row);
  if (through_gelu) {
#pragma unroll
    for (int i = 0; i < vectors; ++i)
      for (int j = 0; j < kVector; ++j) values[i].at[j] = gelu(values[i].at[j]);
  }
  write_row(values, out, row);
}

template <bool through_gelu>
__global__ void quantise_rows_kernel(const __nv_bfloat16* x, RowsOf<__nv_fp8_e4m3> out, Shape shape) {
  quantise_row<kVectors, through_gelu>(x, out, shape);
}

constexpr int kFewVectors = 2, kManyThreads = 896;
#if defined(__CUDA_ARCH__) && (__CUDA_ARCH__ == 860 || __CUDA_ARCH__ == 890)
constexpr int kLongRowBlocks = 1;  ///< blocks of that size on a multiprocessor, which has 1536 threads on Ada
#else
constexpr int kLongRowBlocks = 2;
#endif

/// For long rows: over more threads with fewer registers, so that two blocks of them fit on a multiprocessor of Hopper.
template <bool through_gelu>
__global__ __launch_bounds__(kManyThreads, kLongRowBlocks) void quantise_long_rows_kernel(const __nv_bfloat16* x,
                                                                                          RowsOf<__nv_fp8_e4m3> out,
                                                                                          Shape shape) {
  quantise_row<kFewVectors, through_gelu>(x, out, shape);
}

__global__ void rms_norm_kernel(const __nv_bfloat16* z, std::int64_t z_stride, const __nv_bfloat16* weight, float eps,
                                __nv_bfloat16* out, Shape shape) {
  const Row row(shape);
  Pairs values[kVectors];
  load_row(values, z + row.index * z_stride, row);
  const float factor = rms_factor(values, eps, row);
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    if (!row.has(i)) continue;
    const int column = row.column(i);
    store(out + row.index * row.columns + column, rms_normed(values[i], factor, weight + column));
  }
}

/// Where a head of a row of q, k or v (part 0, 1, 2) goes.
__device__ __nv_bfloat16* place(const HeadPlaces& places, int part, std::int64_t sample, std::int64_t row_in_sample,
                                int head) {
  const int rank = part_with(places.heads, places.ranks, head);
  const Range heads = share_of(places.heads, places.ranks, rank);
  const std::int64_t plane = part * places.batch + sample, row_in_block = places.first_row + row_in_sample;
  const std::int64_t in_plane = (row_in_block * heads.size + head - heads.begin) * places.head_dim;
  if (rank == places.rank) return static_cast<__nv_bfloat16*>(places.own) + plane * places.own_stride + in_plane;
  const std::int64_t head_size = 3 * places.batch * places.rows * places.head_dim;
  const std::int64_t plane_size = places.rows * heads.size * places.head_dim;
  return static_cast<__nv_bfloat16*>(places.others) + heads_before(heads, places.own_heads) * head_size +
         plane * plane_size + in_plane;
}

/// A thread block for each row of q, one for that of k and one for that of v. Each computes the places of its heads
/// once, because they take divisions.
__global__ __launch_bounds__(kMostThreads) void write_heads_kernel(const __nv_bfloat16* z,
                                                                   const __nv_bfloat16* weight_q,
                                                                   const __nv_bfloat16* weight_k, const float* angles,
                                                                   float eps, HeadPlaces places, Shape shape) {
  extern __shared__ __nv_bfloat16* place_of[];  // by head
  const Row row(shape);
  const int part = static_cast<int>(blockIdx.y);
  Pairs values[kVectors];
  load_row(values, z + (3 * row.index + part) * row.columns, row);
  for (int head = static_cast<int>(threadIdx.x); head < places.heads; head += static_cast<int>(blockDim.x))
    place_of[head] = place(places, part, row.sample, row.in_sample, head);
  __syncthreads();
  const __nv_bfloat16* const weight = part == 0 ? weight_q : weight_k;
  const float factor = part < 2 ? rms_factor(values, eps, row) : 1;
  const float* const turns = angles + row.in_sample * places.head_dim;
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    if (!row.has(i)) continue;
    const int head = row.column(i) / places.head_dim, channel = row.column(i) - head * places.head_dim;
    if (part < 2) {
      Values turned = widened(rms_normed(values[i], factor, weight + row.column(i)));
      rotate(turned, load(turns + channel));
      values[i] = rounded(turned);
    }
    store(place_of[head] + channel, values[i]);
  }
}

template <class T>
__global__ void add_gated_kernel(const T* x, const __nv_bfloat16* y, PerColumn gate, float* out, Shape shape) {
  const Row row(shape);
  const std::int64_t start = row.index * row.columns;
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    if (!row.has(i)) continue;
    const int column = row.column(i);
    Values sum = load(x + start + column);
    const Values added = load(y + start + column);
    const Values gates =
        gate.data ? load(gate.data + row.sample * gate.stride + column) : Values{{1, 1, 1, 1, 1, 1, 1, 1}};
#pragma unroll
    for (int j = 0; j < kVector; ++j) sum.at[j] += added.at[j] * gates.at[j];
    store(out + start + column, sum);
  }
}

template <class T>
void layer_norm_of(Samples x, Addend addend, NormWeights weights, float eps, RowsOut rows, Shape shape,
                   cudaStream_t stream) {
  with_type(rows, [&]<class Out>(RowsOf<Out> out) {
    const auto kernel = addend.y ? layer_norm_kernel<T, true, Out> : layer_norm_kernel<T, false, Out>;
    kernel<<<grid_of(shape), threads_for(shape), 0, stream>>>(static_cast<const T*>(x.data), x.stride, addend, weights,
                                                              eps, out, shape);
  });
}

/// One thread widens kWide values of a row.
constexpr int kWide = 16;

template <class F8>
__global__ void widen_kernel(const F8* weight, const float* scale, __nv_bfloat16* out, std::int64_t vectors,
                             std::int64_t vectors_per_row) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= vectors) return;
  const uint4 raw = reinterpret_cast<const uint4*>(weight)[i];
  const auto* const narrow = reinterpret_cast<const F8*>(&raw);
  const float factor = scale[i / vectors_per_row];
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    Values values;
#pragma unroll
    for (int j = 0; j < kVector; ++j) values.at[j] = static_cast<float>(narrow[half * kVector + j]) * factor;
    store(out + i * kWide + half * kVector, values);
  }
}

}  // namespace

void layer_norm(Samples x, Addend addend, NormWeights weights, float eps, RowsOut out, Shape shape,
                cudaStream_t stream) {
  const auto launch = x.type == Element::f32 ? layer_norm_of<float> : layer_norm_of<__nv_bfloat16>;
  launch(x, addend, weights, eps, out, shape, stream);
}

void quantise_rows(const void* x, bool through_gelu, RowsOut out, Shape shape, cudaStream_t stream) {
  const RowsOf<__nv_fp8_e4m3> rows{static_cast<__nv_fp8_e4m3*>(out.values), out.scales};
  const auto launch = [&](auto* kernel, int threads) {
    kernel<<<grid_of(shape), static_cast<unsigned>(threads), 0, stream>>>(static_cast<const __nv_bfloat16*>(x), rows,
                                                                          shape);
  };
  const int threads = threads_for(shape, kFewVectors);
  if (threads > kMostThreads && threads <= kManyThreads)
    launch(through_gelu ? quantise_long_rows_kernel<true> : quantise_long_rows_kernel<false>, threads);
  else
    launch(through_gelu ? quantise_rows_kernel<true> : quantise_rows_kernel<false>, threads_for(shape));
}

void rms_norm(const void* z, std::int64_t z_stride, const void* weight, float eps, void* out, Shape shape,
              cudaStream_t stream) {
  rms_norm_kernel<<<grid_of(shape), threads_for(shape), 0, stream>>>(static_cast<const __nv_bfloat16*>(z), z_stride,
                                                                     static_cast<const __nv_bfloat16*>(weight), eps,
                                                                     static_cast<__nv_bfloat16*>(out), shape);
}

void write_heads(const void* z, const void* weight_q, const void* weight_k, const float* angles, float eps,
                 HeadPlaces places, Shape shape, cudaStream_t stream) {
  const std::size_t table = sizeof(void*) * static_cast<std::size_t>(places.heads);
  write_heads_kernel<<<grid_of(shape, 3), threads_for(shape), table, stream>>>(
      static_cast<const __nv_bfloat16*>(z), static_cast<const __nv_bfloat16*>(weight_q),
      static_cast<const __nv_bfloat16*>(weight_k), angles, eps, places, shape);
}

void add_gated(const void* x, Element x_type, const void* y, PerColumn gate, float* out, Shape shape,
               cudaStream_t stream) {
  const auto* const added = static_cast<const __nv_bfloat16*>(y);
  if (x_type == Element::f32)
    add_gated_kernel<<<grid_of(shape), threads_for(shape), 0, stream>>>(static_cast<const float*>(x), added, gate, out,
                                                                        shape);
  else
    add_gated_kernel<<<grid_of(shape), threads_for(shape), 0, stream>>>(static_cast<const __nv_bfloat16*>(x), added,
                                                                        gate, out, shape);
}

void widen(const void* weight, Float8 type, const float* scale, void* out, std::int64_t rows, std::int64_t columns,
           cudaStream_t stream) {
  constexpr int threads = 256;
  const std::int64_t per_row = columns / kWide, vectors = rows * per_row;
  const auto blocks = static_cast<unsigned>((vectors + threads - 1) / threads);
  auto* const to = static_cast<__nv_bfloat16*>(out);
  if (type == Float8::e4m3)
    widen_kernel<<<blocks, threads, 0, stream>>>(static_cast<const __nv_fp8_e4m3*>(weight), scale, to, vectors,
                                                 per_row);
  else
    widen_kernel<<<blocks, threads, 0, stream>>>(static_cast<const __nv_fp8_e5m2*>(weight), scale, to, vectors,
                                                 per_row);
}

}  // namespace wf::fused
