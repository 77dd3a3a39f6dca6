// pipeline/kernels/fused_cuda.cu: the kernels between the matrix products of a DiT block, each in one pass over memory.
// They are bound by bandwidth: accesses of 16 bytes, one thread block per row, and a row stays in registers between its
// sum and its use.
#include <cuda_bf16.h>
#include <cuda_fp8.h>

#include <algorithm>

#include "parallel/shard.hpp"
#include "pipeline/kernels/fused_launch.hpp"

namespace wf::fused {
namespace {

constexpr int kVector = 8;   ///< values that a thread loads at once
constexpr int kVectors = 5;  ///< vectors that a thread holds: 128 threads hold the 5120 columns of the published model
constexpr int kWarp = 32;

struct Values {
  float at[kVector];
};

__device__ Values load(const float* from) {
  const float4 a = *reinterpret_cast<const float4*>(from), b = *reinterpret_cast<const float4*>(from + 4);
  return {{a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w}};
}

__device__ Values load(const __nv_bfloat16* from) {
  const uint4 raw = *reinterpret_cast<const uint4*>(from);
  const auto* const pairs = reinterpret_cast<const __nv_bfloat162*>(&raw);
  Values values;
#pragma unroll
  for (int i = 0; i < kVector / 2; ++i) {
    const float2 pair = __bfloat1622float2(pairs[i]);
    values.at[2 * i] = pair.x;
    values.at[2 * i + 1] = pair.y;
  }
  return values;
}

__device__ void store(float* to, const Values& values) {
  reinterpret_cast<float4*>(to)[0] = make_float4(values.at[0], values.at[1], values.at[2], values.at[3]);
  reinterpret_cast<float4*>(to)[1] = make_float4(values.at[4], values.at[5], values.at[6], values.at[7]);
}

__device__ void store(__nv_bfloat16* to, const Values& values) {
  uint4 raw;
  auto* const pairs = reinterpret_cast<__nv_bfloat162*>(&raw);
#pragma unroll
  for (int i = 0; i < kVector / 2; ++i) pairs[i] = __floats2bfloat162_rn(values.at[2 * i], values.at[2 * i + 1]);
  *reinterpret_cast<uint4*>(to) = raw;
}

__device__ float rounded(float x) { return __bfloat162float(__float2bfloat16_rn(x)); }

/// The sum over all threads of the block, returned to every thread. The order of additions is fixed, so two runs give
/// the same bits.
__device__ float block_sum(float value) {
  __shared__ float of_warp[kWarp];
  for (int distance = kWarp / 2; distance > 0; distance /= 2) value += __shfl_xor_sync(~0u, value, distance);
  __syncthreads();  // other warps may still read the previous sum
  if (threadIdx.x % kWarp == 0) of_warp[threadIdx.x / kWarp] = value;
  __syncthreads();
  float sum = 0;
  for (unsigned warp = 0; warp < blockDim.x / kWarp; ++warp) sum += of_warp[warp];
  return sum;
}

/// The row of a thread block. Vector i of this thread begins at column(i).
struct Row {
  std::int64_t index, sample, in_sample;
  int columns;
  __device__ explicit Row(const Shape& shape)
      : index(blockIdx.x),
        sample(index / shape.rows_per_sample),
        in_sample(index - sample * shape.rows_per_sample),
        columns(shape.columns) {}
  __device__ int column(int i) const {
    return (i * static_cast<int>(blockDim.x) + static_cast<int>(threadIdx.x)) * kVector;
  }
  __device__ bool has(int i) const { return column(i) < columns; }
};

/// Loads this thread's part of a row. Values past the row's end are 0 and add nothing to a sum.
template <class T>
__device__ void load_row(Values (&values)[kVectors], const T* row_start, const Row& row) {
#pragma unroll
  for (int i = 0; i < kVectors; ++i) values[i] = row.has(i) ? load(row_start + row.column(i)) : Values{};
}

template <class T, bool gain_is_offset>
__global__ void layer_norm_kernel(const T* x, std::int64_t x_stride, PerColumn gain, PerColumn shift, float eps,
                                  __nv_bfloat16* out, Shape shape) {
  const Row row(shape);
  Values values[kVectors];
  load_row(values, x + row.sample * x_stride + row.in_sample * row.columns, row);
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
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    if (!row.has(i)) continue;
    const int column = row.column(i);
    const Values gains = load(gain.data + row.sample * gain.stride + column);
    const Values shifts = load(shift.data + row.sample * shift.stride + column);
    Values result;
#pragma unroll
    for (int j = 0; j < kVector; ++j) {
      const float normed = (values[i].at[j] - mean) * factor;
      const float kept = sizeof(T) == sizeof(__nv_bfloat16) ? rounded(normed) : normed;
      result.at[j] = kept * (gain_is_offset ? 1.0f + gains.at[j] : gains.at[j]) + shifts.at[j];
    }
    store(out + row.index * row.columns + column, result);
  }
}

/// Rotates the channel pairs (2j, 2j+1) by their angles, given as cosine and sine of each pair.
__device__ void rotate(Values& values, const float* angles) {
  const Values turns = load(angles);  // cosines and sines of 4 pairs
#pragma unroll
  for (int j = 0; j < kVector; j += 2) {
    const float re = values.at[j], im = values.at[j + 1], cosine = turns.at[j], sine = turns.at[j + 1];
    values.at[j] = re * cosine - im * sine;
    values.at[j + 1] = re * sine + im * cosine;
  }
}

/// Replaces values by bf16(bf16(values * rsqrt(mean(row^2) + eps)) * weight).
__device__ void rms_norm_row(Values (&values)[kVectors], const __nv_bfloat16* weight, float eps, const Row& row) {
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

__global__ void rms_norm_kernel(const __nv_bfloat16* z, std::int64_t z_stride, const __nv_bfloat16* weight, float eps,
                                __nv_bfloat16* out, Shape shape) {
  const Row row(shape);
  Values values[kVectors];
  load_row(values, z + row.index * z_stride, row);
  rms_norm_row(values, weight, eps, row);
#pragma unroll
  for (int i = 0; i < kVectors; ++i)
    if (row.has(i)) store(out + row.index * row.columns + row.column(i), values[i]);
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
__global__ void write_heads_kernel(const __nv_bfloat16* z, const __nv_bfloat16* weight_q, const __nv_bfloat16* weight_k,
                                   const float* angles, float eps, HeadPlaces places, Shape shape) {
  extern __shared__ __nv_bfloat16* place_of[];  // by head
  const Row row(shape);
  const int part = static_cast<int>(blockIdx.y);
  Values values[kVectors];
  load_row(values, z + (3 * row.index + part) * row.columns, row);
  for (int head = static_cast<int>(threadIdx.x); head < places.heads; head += static_cast<int>(blockDim.x))
    place_of[head] = place(places, part, row.sample, row.in_sample, head);
  __syncthreads();
  if (part < 2) rms_norm_row(values, part == 0 ? weight_q : weight_k, eps, row);
  const float* const turns = angles + row.in_sample * places.head_dim;
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    if (!row.has(i)) continue;
    const int head = row.column(i) / places.head_dim, channel = row.column(i) - head * places.head_dim;
    if (part < 2) rotate(values[i], turns + channel);
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

/// The fewest threads, in whole warps, that hold one row.
int threads_for(const Shape& shape) {
  const int vectors = shape.columns / kVector;
  const int threads = (vectors + kVectors - 1) / kVectors;
  return (threads + kWarp - 1) / kWarp * kWarp;
}

template <class T>
void layer_norm_of(const void* x, std::int64_t x_stride, PerColumn gain, bool gain_is_offset, PerColumn shift,
                   float eps, void* out, Shape shape, cudaStream_t stream) {
  const auto kernel = gain_is_offset ? layer_norm_kernel<T, true> : layer_norm_kernel<T, false>;
  kernel<<<static_cast<unsigned>(shape.rows), threads_for(shape), 0, stream>>>(
      static_cast<const T*>(x), x_stride, gain, shift, eps, static_cast<__nv_bfloat16*>(out), shape);
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

void layer_norm(const void* x, Element x_type, std::int64_t x_stride, PerColumn gain, bool gain_is_offset,
                PerColumn shift, float eps, void* out, Shape shape, cudaStream_t stream) {
  const auto launch = x_type == Element::f32 ? layer_norm_of<float> : layer_norm_of<__nv_bfloat16>;
  launch(x, x_stride, gain, gain_is_offset, shift, eps, out, shape, stream);
}

void rms_norm(const void* z, std::int64_t z_stride, const void* weight, float eps, void* out, Shape shape,
              cudaStream_t stream) {
  rms_norm_kernel<<<static_cast<unsigned>(shape.rows), threads_for(shape), 0, stream>>>(
      static_cast<const __nv_bfloat16*>(z), z_stride, static_cast<const __nv_bfloat16*>(weight), eps,
      static_cast<__nv_bfloat16*>(out), shape);
}

void write_heads(const void* z, const void* weight_q, const void* weight_k, const float* angles, float eps,
                 HeadPlaces places, Shape shape, cudaStream_t stream) {
  const dim3 blocks(static_cast<unsigned>(shape.rows), 3);
  const std::size_t table = sizeof(void*) * static_cast<std::size_t>(places.heads);
  write_heads_kernel<<<blocks, threads_for(shape), table, stream>>>(
      static_cast<const __nv_bfloat16*>(z), static_cast<const __nv_bfloat16*>(weight_q),
      static_cast<const __nv_bfloat16*>(weight_k), angles, eps, places, shape);
}

void add_gated(const void* x, Element x_type, const void* y, PerColumn gate, float* out, Shape shape,
               cudaStream_t stream) {
  const auto blocks = static_cast<unsigned>(shape.rows);
  const auto* const added = static_cast<const __nv_bfloat16*>(y);
  if (x_type == Element::f32)
    add_gated_kernel<<<blocks, threads_for(shape), 0, stream>>>(static_cast<const float*>(x), added, gate, out, shape);
  else
    add_gated_kernel<<<blocks, threads_for(shape), 0, stream>>>(static_cast<const __nv_bfloat16*>(x), added, gate, out,
                                                                shape);
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
