// pipeline/kernels/convolve_launch.hpp: launches the kernels of convolve_hopper.cu and convolve_input.cu on plain
// pointers. No LibTorch header here: they take nvcc up to a minute. The kernels are queued on `stream`.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace wf::hopper {

/// How numbers are multiplied; sums are in f32.
enum class Arithmetic {
  bf16,       ///< bf16 numbers
  tf32,       ///< f32 numbers that have been rounded to TF32
  split_f32,  ///< f32 numbers as sums of two TF32 numbers: three products, as exact as f32
};

/// A convolution with stride 1 over features in the memory order [frames, rows, columns, channels].
struct Convolution {
  Arithmetic arithmetic;
  /// [frames + kernel_frames - 1, rows + kernel - 1, columns, channels_in]; split_f32: after the channels, as many that
  /// hold what rounding took from them. Columns have zeros around.
  const void* input;
  /// [channels_out, kernel_frames, kernel, kernel, channels_in]; split_f32: two of them, the second what rounding took.
  const void* weight;
  const float* bias;  ///< [channels_out]
  /// Is added to the output, whose shape and dtype it has and which it may be, with channels_out a multiple of 8 and
  /// frames_each 1. Null: nothing.
  const void* residual;
  /// bf16 for bf16, else f32: [frames, rows of all_rows, columns, channels_out]. With `frames_each` n: the channels of
  /// n frames one after another, [frames n, rows of all_rows, columns, channels_out / n].
  void* output;
  std::int64_t channels_in;  ///< a multiple of 16
  std::int64_t channels_out;
  std::int64_t frames, rows, columns;
  std::int64_t kernel_frames, kernel;  ///< kernel: rows and columns, 1 or 3
  std::int64_t all_rows;               ///< rows of a frame of the output in memory
  std::int64_t frames_each;
};

/// Whether the current device is a Hopper GPU, for which this library holds the kernel.
bool convolution_supported();

/// Returns what CUDA said.
cudaError_t convolve(const Convolution& convolution, cudaStream_t stream);

/// What a convolution reads, written in one pass over features [frames, rows, columns, channels] of the arithmetic's
/// dtype. Channels are a multiple of 8, at most 1024.
struct ConvolutionInput {
  Arithmetic arithmetic;
  const void* x;
  /// [channels] f32: values become x / |x| * norm, where |x| is the L2 norm over the channels, and pass through SiLU.
  /// Null: they stay as they are.
  const float* norm;
  const void *above, *below;  ///< the rows around the features, [frames, columns, channels]; null: zeros
  const void* past;           ///< like new_past, of the frames before; null: zeros
  /// [past_frames, rows + 2 around, columns, channels], for scale 1: the last frames of the input as they were before
  /// they were rounded, and with `around` 1 their rows above and below. May be `past`. Null: they are not kept.
  void* new_past;
  void* output;  ///< [past_frames + frames, output_rows, scale columns, channels]; split_f32: twice the channels
  std::int64_t channels, frames, rows, columns;
  std::int64_t past_frames, around;
  int scale;                            ///< 2: each value fills two rows and two columns
  std::int64_t first_row, output_rows;  ///< which rows of the scaled features are written, from -1 on
  std::int64_t own_first, own_rows;     ///< of which rows new_past gets the values
};
void write_input(const ConvolutionInput& input, cudaStream_t stream);
/// f32 numbers to TF32; where `rest` is not null, it gets what rounding took, as TF32 too. `rounded` may be `values`.
void round_to_tf32(const float* values, float* rounded, float* rest, std::int64_t count, cudaStream_t stream);

}  // namespace wf::hopper
