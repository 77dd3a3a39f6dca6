// pipeline/kernels/fused_none.cpp: fused.hpp in a build without CUDA. It supports nothing, so no kernel is ever called.
#include "base/error.hpp"
#include "pipeline/kernels/fused.hpp"

namespace wf::fused {
namespace {

[[noreturn]] void never() { throw Error(Error::internal, "a GPU kernel was called in a build without CUDA"); }

}  // namespace

bool supports(const at::Tensor&, at::ScalarType) { return false; }
at::Tensor modulated_norm(const at::Tensor&, const at::Tensor&, const at::Tensor&, double) { never(); }
at::Tensor affine_norm(const at::Tensor&, const at::Tensor&, const at::Tensor&, double) { never(); }
at::Tensor rms_norm(const at::Tensor&, const at::Tensor&, double) { never(); }
void write_heads(const at::Tensor&, const HeadNorms&, const at::Tensor&, const HeadBlocks&, std::int64_t) { never(); }
bool supports_widen(const at::Tensor&, at::ScalarType) { return false; }
at::Tensor widen(const at::Tensor&, const at::Tensor&) { never(); }
at::Tensor add_gated(const at::Tensor&, const at::Tensor&, const at::Tensor&) { never(); }

}  // namespace wf::fused
