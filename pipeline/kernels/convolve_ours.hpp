// pipeline/kernels/convolve_ours.hpp: the part of convolve.hpp that takes CUDA; a build without it has
// convolve_none.cpp.
#pragma once

#include "pipeline/kernels/convolve.hpp"

namespace wf::ours {

/// Whether this GPU is one of Hopper, for which this build has the kernels.
bool supports(at::Device device);

/// weights_for() and convolve() of convolve.hpp for weights that is_ours().
ConvolutionWeights weights_for(Convolving how, const at::Tensor& weight, const at::Tensor& bias);
at::Tensor convolve(at::Tensor x, const BeforeConvolution& before, const ConvolutionWeights& weights, at::Tensor sum,
                    std::int64_t frames_each);

}  // namespace wf::ours
