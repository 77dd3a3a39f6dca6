// pipeline/kernels/fused_none.cpp: fused.hpp in a build without CUDA. It supports nothing, so no kernel is ever called.
#include "pipeline/kernels/fused.hpp"
#include "pipeline/kernels/no_cuda.hpp"

namespace wf::fused {

bool supports(const at::Tensor&, at::ScalarType) { return false; }
Operand modulated_norm(at::Tensor&, const Branch&, const at::Tensor&, const at::Tensor&, double, at::ScalarType) {
  never();
}
Operand affine_norm(at::Tensor&, const Branch&, const at::Tensor&, const at::Tensor&, double, at::ScalarType) {
  never();
}
at::Tensor rms_norm(const at::Tensor&, const at::Tensor&, double) { never(); }
void write_heads(const at::Tensor&, const HeadNorms&, const at::Tensor&, const HeadBlocks&, std::int64_t) { never(); }
bool supports_quantise(const at::Tensor&) { return false; }
Operand quantise_rows(const at::Tensor&, bool) { never(); }
bool supports_quantise_heads(const at::Tensor&) { return false; }
Fp8Heads quantise_keys(const at::Tensor&, const at::Tensor&) { never(); }
Fp8Heads with_queries(Fp8Heads, const at::Tensor&) { never(); }
bool supports_quantise_projection(const at::Tensor&, std::int64_t) { return false; }
Fp8Heads quantise_projection(const at::Tensor&, const HeadNorms&, const at::Tensor&, std::int64_t) { never(); }
bool supports_add_mean(const at::Tensor&) { return false; }
void add_mean(const at::Tensor&, const at::Tensor&) { never(); }
bool supports_widen(const at::Tensor&, at::ScalarType) { return false; }
at::Tensor widen(const at::Tensor&, const at::Tensor&) { never(); }
at::Tensor add_gated(const at::Tensor&, const at::Tensor&, const at::Tensor&) { never(); }

}  // namespace wf::fused
