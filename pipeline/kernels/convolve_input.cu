// pipeline/kernels/convolve_input.cu: what lies between two convolutions of the VAE, in one pass over memory: norm,
// SiLU, the frames before, the rows around, upsampling, and the rounding that the tensor cores ask for.
#include <cuda_bf16.h>

#include "pipeline/kernels/convolve_launch.hpp"

namespace wf::hopper {
namespace {

constexpr int kThreads = 256;

/// The values that a thread loads at once: 16 bytes.
template <class T>
struct Vector {
  static constexpr int kCount = 16 / sizeof(T);
  float at[kCount];
};

__device__ inline Vector<float> load(const float* from) {
  const float4 v = *reinterpret_cast<const float4*>(from);
  return {{v.x, v.y, v.z, v.w}};
}
__device__ inline void store(float* to, const Vector<float>& v) {
  *reinterpret_cast<float4*>(to) = make_float4(v.at[0], v.at[1], v.at[2], v.at[3]);
}
struct alignas(16) Pairs {
  __nv_bfloat162 at[4];
};
__device__ inline Vector<__nv_bfloat16> load(const __nv_bfloat16* from) {
  const uint4 raw = *reinterpret_cast<const uint4*>(from);
  const Pairs& pairs = reinterpret_cast<const Pairs&>(raw);
  Vector<__nv_bfloat16> v;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float2 pair = __bfloat1622float2(pairs.at[i]);
    v.at[2 * i] = pair.x, v.at[2 * i + 1] = pair.y;
  }
  return v;
}
__device__ inline void store(__nv_bfloat16* to, const Vector<__nv_bfloat16>& v) {
  Pairs pairs;
#pragma unroll
  for (int i = 0; i < 4; ++i) pairs.at[i] = __floats2bfloat162_rn(v.at[2 * i], v.at[2 * i + 1]);
  *reinterpret_cast<uint4*>(to) = reinterpret_cast<const uint4&>(pairs);
}

__device__ inline float to_tf32(float x) {
  std::uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return __uint_as_float(bits);
}

/// The sum over `lanes` neighbouring threads, the same in each of them.
template <int lanes>
__device__ float sum_over(float x) {
  const unsigned group = lanes == 32 ? 0xffffffffu : ((1u << lanes) - 1) << (threadIdx.x % 32 / lanes * lanes);
#pragma unroll
  for (int offset = lanes / 2; offset > 0; offset /= 2) x += __shfl_xor_sync(group, x, offset);
  return x;
}

/// A row of positions, each with all of its channels.
template <class T>
__device__ const T* row_at(const void* data, std::int64_t row, const ConvolutionInput& in) {
  return static_cast<const T*>(data) + row * in.columns * in.channels;
}

/// Where the values of output row `row` of a frame come from; null: they are zeros.
template <class T>
__device__ const T* source_row(const ConvolutionInput& in, std::int64_t frame, std::int64_t row) {
  if (frame < in.past_frames) {
    const std::int64_t rows = in.rows + 2 * in.around, at = row + in.around;
    return in.past && at >= 0 && at < rows ? row_at<T>(in.past, frame * rows + at, in) : nullptr;
  }
  frame -= in.past_frames;
  if (row < 0) return in.above ? row_at<T>(in.above, frame, in) : nullptr;
  if (row >= in.rows) return in.below ? row_at<T>(in.below, frame, in) : nullptr;
  return row_at<T>(in.x, frame * in.rows + row, in);
}

/// Norm and SiLU of the values of one position, of which each of `lanes` threads has some.
template <class T, int lanes, int vectors>
__device__ void activate(Vector<T> (&values)[vectors], const ConvolutionInput& in, int lane) {
  constexpr int count = Vector<T>::kCount;
  float squares = 0;
#pragma unroll
  for (int i = 0; i < vectors; ++i)
    for (int j = 0; j < count; ++j) squares += values[i].at[j] * values[i].at[j];
  const float size = fmaxf(sqrtf(sum_over<lanes>(squares)), 1e-12f);
#pragma unroll
  for (int i = 0; i < vectors; ++i) {
    const int channel = (i * lanes + lane) * count;
    if (channel >= in.channels) continue;
#pragma unroll
    for (int j = 0; j < count; ++j) {
      const float y = values[i].at[j] / size * in.norm[channel + j];
      values[i].at[j] = y / (1 + expf(-y));
    }
  }
}

template <class T, int lanes, int vectors>
__device__ void write_position(const Vector<T> (&values)[vectors], T* to, const ConvolutionInput& in, int lane) {
  constexpr int count = Vector<T>::kCount;
#pragma unroll
  for (int i = 0; i < vectors; ++i) {
    const int channel = (i * lanes + lane) * count;
    if (channel >= in.channels) continue;
    Vector<T> value = values[i];
    if (in.arithmetic != Arithmetic::bf16)
      for (int j = 0; j < count; ++j) value.at[j] = to_tf32(value.at[j]);
    store(to + channel, value);
    if (in.arithmetic != Arithmetic::split_f32) continue;
    for (int j = 0; j < count; ++j) value.at[j] = to_tf32(values[i].at[j] - value.at[j]);
    store(to + in.channels + channel, value);
  }
}

/// One position of one frame of the output.
template <class T, int lanes, int vectors>
__device__ void write_frame(const ConvolutionInput& in, std::int64_t frame, std::int64_t column, int lane) {
  const std::int64_t row = in.first_row + blockIdx.y, from_row = in.scale == 2 ? row >> 1 : row;
  const T* const source = source_row<T>(in, frame, from_row);
  constexpr int count = Vector<T>::kCount;
  Vector<T> values[vectors] = {};
  if (source) {
    const T* const position = source + (in.scale == 2 ? column >> 1 : column) * in.channels;
#pragma unroll
    for (int i = 0; i < vectors; ++i) {
      const int channel = (i * lanes + lane) * count;
      if (channel < in.channels) values[i] = load(position + channel);
    }
    if (in.norm && frame >= in.past_frames) activate<T, lanes>(values, in, lane);
  }
  const int planes = in.arithmetic == Arithmetic::split_f32 ? 2 : 1;
  T* const to = static_cast<T*>(in.output) +
                ((frame * in.output_rows + blockIdx.y) * in.columns * in.scale + column) * planes * in.channels;
  write_position<T, lanes>(values, to, in, lane);

  if (!in.new_past || frame < in.frames || row < in.own_first || row >= in.own_first + in.own_rows) return;
  T* const kept =
      static_cast<T*>(in.new_past) +
      (((frame - in.frames) * (in.rows + 2 * in.around) + row + in.around) * in.columns + column) * in.channels;
#pragma unroll
  for (int i = 0; i < vectors; ++i) {
    const int channel = (i * lanes + lane) * count;
    if (channel < in.channels) store(kept + channel, values[i]);
  }
}

/// Each position of the output by `lanes` threads with `vectors` vectors each. A block has some columns of one row, and
/// of every frame whose values, one by one, take each other's places in new_past: a thread has read what it overwrites.
template <class T, int lanes, int vectors>
__global__ __launch_bounds__(kThreads) void input_kernel(const ConvolutionInput in) {
  const std::int64_t column = blockIdx.x * (kThreads / lanes) + threadIdx.x / lanes;
  if (column >= in.columns * in.scale) return;
  for (std::int64_t frame = blockIdx.z; frame < in.past_frames + in.frames; frame += in.frames)
    write_frame<T, lanes, vectors>(in, frame, column, threadIdx.x % lanes);
}

template <class T, int lanes, int vectors>
void launch(const ConvolutionInput& in, cudaStream_t stream) {
  constexpr std::int64_t positions = kThreads / lanes;
  const dim3 grid(static_cast<unsigned>((in.columns * in.scale + positions - 1) / positions),
                  static_cast<unsigned>(in.output_rows), static_cast<unsigned>(in.frames));
  input_kernel<T, lanes, vectors><<<grid, kThreads, 0, stream>>>(in);
}

/// With few lanes for few channels, so that no thread is idle: 96, 192 and 384 channels take three vectors each.
template <class T>
void launch_for(const ConvolutionInput& in, cudaStream_t stream) {
  constexpr int few = 96 / (3 * Vector<T>::kCount);
  if (in.channels <= 96) return launch<T, few, 3>(in, stream);
  if (in.channels <= 192) return launch<T, 2 * few, 3>(in, stream);
  if (in.channels <= 384) return launch<T, 4 * few, 3>(in, stream);
  launch<T, 32, 8>(in, stream);
}

__global__ void round_kernel(const float* values, float* rounded, float* rest, std::int64_t count) {
  const std::int64_t i = blockIdx.x * std::int64_t{kThreads} + threadIdx.x;
  if (i >= count) return;
  const float value = values[i], near = to_tf32(value);
  rounded[i] = near;
  if (rest) rest[i] = to_tf32(value - near);
}

}  // namespace

void write_input(const ConvolutionInput& input, cudaStream_t stream) {
  input.arithmetic == Arithmetic::bf16 ? launch_for<__nv_bfloat16>(input, stream) : launch_for<float>(input, stream);
}

void round_to_tf32(const float* values, float* rounded, float* rest, std::int64_t count, cudaStream_t stream) {
  const auto blocks = static_cast<unsigned>((count + kThreads - 1) / kThreads);
  round_kernel<<<blocks, kThreads, 0, stream>>>(values, rounded, rest, count);
}

}  // namespace wf::hopper
