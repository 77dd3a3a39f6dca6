// pipeline/kernels/convolve_none.cpp: convolve_ours.hpp in a build without CUDA. It supports nothing, so no kernel is
// ever called.
#include "pipeline/kernels/convolve_ours.hpp"
#include "pipeline/kernels/no_cuda.hpp"

namespace wf::ours {

bool supports(at::Device) { return false; }

ConvolutionWeights weights_for(Convolving, const at::Tensor&, const at::Tensor&) { never(); }
at::Tensor convolve(at::Tensor, const BeforeConvolution&, const ConvolutionWeights&, at::Tensor, std::int64_t) {
  never();
}

}  // namespace wf::ours
