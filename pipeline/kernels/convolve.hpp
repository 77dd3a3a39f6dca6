// pipeline/kernels/convolve.hpp: the convolutions of the VAE, in two and three dimensions.
#pragma once

#include <ATen/core/Tensor.h>

namespace wf {

/// Cross-correlation of x [N, C, t, h, w] with weight [O, C, kt, kh, kw], or of frames x [N, C, h, w] with weight
/// [O, C, kh, kw], plus bias [O]. All have x's dtype, f32 or bf16; sums are in f32. stride and padding (with zeros)
/// have one value for each of t, h and w, or of h and w. The result has x's memory format. If convolution_copies() is
/// `widened`, an x that is moved in is freed early.
at::Tensor convolve(at::Tensor x, const at::Tensor& weight, const at::Tensor& bias, at::IntArrayRef stride,
                    at::IntArrayRef padding);

/// Copies that convolve() holds in addition to its input and output. reordered: a copy of both for 3-D convolutions,
/// which cuDNN makes in f32 without TF32. widened: f32 copies of input, weight and output, on a CPU for which oneDNN
/// has no bf16 (one without AVX-512 and AVX-NE-CONVERT): LibTorch's own path there unfolds the input and takes several
/// hundred times as long.
enum class ConvolutionCopies { none, reordered, widened };

/// The copies on this device. For a CPU they depend on the instruction sets of this node's processor that
/// ONEDNN_MAX_CPU_ISA lets oneDNN use.
ConvolutionCopies convolution_copies(at::Device device, at::ScalarType dtype, bool tf32);

}  // namespace wf
