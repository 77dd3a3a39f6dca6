// pipeline/kernels/convolve.hpp: the convolutions of the VAE, with what comes before them: norm, SiLU, the frames and
// rows around, upsampling.
//
// On Hopper GPUs convolutions with stride 1 are our own kernels: one pass over memory writes what a convolution reads,
// and the tensor cores do the rest, with bias and sum. Everywhere else they are the library's: oneDNN's or cuDNN's.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace wf {

/// Who convolves, and how. It decides which memory is taken.
///   library            oneDNN or cuDNN.
///   library_reordered  cuDNN in f32 without TF32: copies input and output of 3-D convolutions.
///   library_widened    oneDNN on a CPU for which it has no bf16 (one without AVX-512 and AVX-NE-CONVERT), with f32
///                      copies of input, weight and output: LibTorch's own path there unfolds the input and takes
///                      several hundred times as long.
///   hopper_bf16        Ours, of bf16 numbers.
///   hopper_tf32        Ours, of f32 numbers rounded to the nearest TF32 number.
///   hopper_f32         Ours, of f32 numbers as sums of two TF32 numbers. As exact as f32: relative errors of 2e-7 to
///                      4e-7, where cuDNN's are 9e-7 to 2e-6.
enum class Convolving { library, library_reordered, library_widened, hopper_bf16, hopper_tf32, hopper_f32 };

/// How features of this dtype, f32 or bf16, are convolved on this device. For a CPU it depends on the instruction sets
/// of this node's processor that ONEDNN_MAX_CPU_ISA lets oneDNN use.
Convolving convolving_on(at::Device device, at::ScalarType dtype, bool tf32);
/// The same of a device that may be elsewhere. capability: a GPU's compute capability times ten, or 0 where it is not
/// known.
Convolving convolving_on(at::Device device, int capability, at::ScalarType dtype, bool tf32);
constexpr bool is_ours(Convolving how) { return how >= Convolving::hopper_bf16; }

/// A convolution, [O, C, kt, kh, kw] or, of single frames, [O, C, kh, kw], with its bias [O], in channels-last order.
/// Undefined tensors stand for a layer that does without it. hopper_f32: what rounding took from `weight` is behind it
/// in memory, in the same form.
struct ConvolutionWeights {
  at::Tensor weight;
  at::Tensor bias;  ///< of the weight's dtype for the library, f32 for our kernels
  Convolving how = Convolving::library;
};
/// Brings a convolution with stride 1 into the form that `how` reads; one that we have no kernel for stays the
/// library's: its channels must be multiples of 16, its kernel 1 or 3.
ConvolutionWeights weights_for(Convolving how, at::Tensor weight, at::Tensor bias);

/// The rows above and below features that several ranks divide, [1, C, frames, 1, columns] each. Undefined: this rank
/// has all rows, and zeros are around them.
struct EdgeRows {
  at::Tensor above, below;
};

/// What features go through before they are convolved, in this order.
struct BeforeConvolution {
  /// [1, C, 1, 1, 1]: x / |x| * norm, where |x| is the L2 norm over the channels, and then SiLU. Undefined: neither.
  at::Tensor norm = {};
  bool doubled = false;  ///< each value fills two rows and two columns
  EdgeRows edges = {};   ///< of the features as they come; those of a kernel of one row are left out
  /// Where the convolution keeps the last kt - 1 frames that it has read, for its next call; at first undefined, which
  /// stands for zeros. Null: kt is 1.
  at::Tensor* past = nullptr;
};

/// Convolves features x [1, C, t, h, w] in channels-last order with stride 1, over all frames of `past` and x, with
/// zeros around rows and columns where no edges are given. Adds `sum`, where it is defined, whose memory is used up; O
/// is then a multiple of 8, and frames_each 1. The result is [1, O, t, h, w]; with `frames_each` n, [1, O / n, t n, h,
/// w]: the channels of n frames one after another. An x that is moved in is freed early.
at::Tensor convolve(at::Tensor x, const BeforeConvolution& before, const ConvolutionWeights& weights,
                    at::Tensor sum = {}, std::int64_t frames_each = 1);

/// x / |x| * norm, where |x| is the L2 norm over the channels. An x that is moved in is freed as soon as the quotient
/// exists; any other x is left alone.
at::Tensor normalised(at::Tensor x, const at::Tensor& norm);

/// The last n frames of features [1, C, t, h, w] as a copy, so that the features themselves can be freed.
at::Tensor last_frames(const at::Tensor& x, std::int64_t n);

/// The library's cross-correlation of x [N, C, t, h, w] or [N, C, h, w] with any stride and padding (with zeros), which
/// have one value for each of t, h and w, or of h and w. The result has x's memory format.
at::Tensor convolve(at::Tensor x, const at::Tensor& weight, const at::Tensor& bias, at::IntArrayRef stride,
                    at::IntArrayRef padding);

/// Our kernels read their input from memory of its own, a band of rows at a time. How many rows of the output it is
/// written for at once, so that it takes at most 512 MiB: `row_bytes` is what a row of all its frames takes.
std::int64_t rows_at_once(std::int64_t rows, std::int64_t row_bytes);

/// A clip as a batch of frames [frames, channels, rows, columns], and back; both are views. (With the two steps
/// swapped, the batch would have a stride that ATen does not recognise as channels-last, and every convolution would
/// copy.)
inline at::Tensor as_frames(const at::Tensor& x) { return x.squeeze(0).transpose(0, 1); }
inline at::Tensor as_clip(const at::Tensor& frames) { return frames.unsqueeze(0).transpose(1, 2); }

}  // namespace wf
