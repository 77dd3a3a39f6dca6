// pipeline/kernels/convolve_none.cpp: convolve_ours.hpp in a build without CUDA. It supports nothing, so no kernel is
// ever called.
#include "base/error.hpp"
#include "pipeline/kernels/convolve_ours.hpp"

namespace wf::ours {
namespace {

[[noreturn]] void never() { throw Error(Error::internal, "a GPU kernel was called in a build without CUDA"); }

}  // namespace

bool supports(at::Device) { return false; }

ConvolutionWeights weights_for(Convolving, const at::Tensor&, const at::Tensor&) { never(); }
at::Tensor convolve(at::Tensor, const BeforeConvolution&, const ConvolutionWeights&, at::Tensor, std::int64_t) {
  never();
}

}  // namespace wf::ours
