// pipeline/kernels/fused_cuda.cpp: checks tensors and passes their pointers, and the current stream, to fused_cuda.cu.
#include <ATen/ATen.h>
#include <ATen/record_function.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "base/check.hpp"
#include "pipeline/kernels/fused.hpp"
#include "pipeline/kernels/fused_launch.hpp"

namespace wf::fused {
namespace {

constexpr std::int64_t most_columns = 40960;  ///< columns that a block of 1024 threads holds in registers

Element element(const at::Tensor& x) { return x.scalar_type() == at::kFloat ? Element::f32 : Element::bf16; }

/// The rows of x [batch, rows, d].
Shape shape_of(const at::Tensor& x) { return {x.size(0) * x.size(1), x.size(1), static_cast<int>(x.size(2))}; }

/// values: [d], or [1 or batch, 1, d] f32 with any stride between samples.
PerColumn per_column(const at::Tensor& values) {
  WF_CHECK(values.scalar_type() == at::kFloat && values.stride(-1) == 1);
  const bool shared = values.dim() == 1 || values.size(0) == 1;
  return {values.const_data_ptr<float>(), shared ? 0 : values.stride(0)};
}

at::Tensor bf16_like(const at::Tensor& x, at::IntArrayRef sizes) {
  return at::empty(sizes, x.options().dtype(at::kBFloat16));
}

/// x [batch, rows, d], dense within a sample; it may be some rows of a longer sequence.
at::Tensor layer_norm_of(const at::Tensor& x, const at::Tensor& gain, bool gain_is_offset, const at::Tensor& shift,
                         double eps) {
  WF_CHECK(x.stride(2) == 1 && x.stride(1) == x.size(2));
  const c10::cuda::CUDAGuard on_device(x.device());
  const at::Tensor out = bf16_like(x, x.sizes());
  layer_norm(x.const_data_ptr(), element(x), x.stride(0), per_column(gain), gain_is_offset, per_column(shift),
             static_cast<float>(eps), out.data_ptr(), shape_of(x), c10::cuda::getCurrentCUDAStream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

void check_weight(const at::Tensor& weight) {
  WF_CHECK(weight.scalar_type() == at::kBFloat16 && weight.is_contiguous());
}

}  // namespace

bool supports(const at::Tensor& x, at::ScalarType result) {
  return x.is_cuda() && x.dim() == 3 && result == at::kBFloat16 && x.size(2) % 8 == 0 && x.size(2) <= most_columns &&
         x.numel() > 0;
}

at::Tensor modulated_norm(const at::Tensor& x, const at::Tensor& shift, const at::Tensor& scale, double eps) {
  RECORD_FUNCTION("wf::modulated_norm", std::vector<c10::IValue>{x});
  return layer_norm_of(x, scale, /*gain_is_offset=*/true, shift, eps);
}

at::Tensor affine_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double eps) {
  RECORD_FUNCTION("wf::affine_norm", std::vector<c10::IValue>{x});
  return layer_norm_of(x, weight, /*gain_is_offset=*/false, bias, eps);
}

/// Only the last dimension of z has to be dense: it may be a part of a joined projection.
at::Tensor rms_norm(const at::Tensor& z, const at::Tensor& weight, double eps) {
  RECORD_FUNCTION("wf::rms_norm", std::vector<c10::IValue>{z});
  WF_CHECK(z.stride(2) == 1 && z.stride(1) % 8 == 0 && z.stride(0) == z.size(1) * z.stride(1));
  check_weight(weight);
  const c10::cuda::CUDAGuard on_device(z.device());
  const at::Tensor out = bf16_like(z, z.sizes());
  rms_norm(z.const_data_ptr(), z.stride(1), weight.const_data_ptr(), static_cast<float>(eps), out.data_ptr(),
           shape_of(z), c10::cuda::getCurrentCUDAStream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

void write_heads(const at::Tensor& z, const HeadNorms& norms, const at::Tensor& angles, const HeadBlocks& blocks,
                 std::int64_t first_row) {
  RECORD_FUNCTION("wf::write_heads", std::vector<c10::IValue>{z});
  WF_CHECK(z.is_contiguous() && blocks.own[0][0].is_contiguous());
  WF_CHECK(angles.is_contiguous() && angles.scalar_type() == at::kComplexFloat);
  check_weight(norms.q);
  check_weight(norms.k);
  const c10::cuda::CUDAGuard on_device(z.device());
  const Shape shape{z.size(0) * z.size(1), z.size(1), static_cast<int>(z.size(2) / 3)};
  const auto head_dim = static_cast<int>(blocks.head_dim());
  const HeadPlaces places{.own = blocks.own.data_ptr(),
                          .others = blocks.others.data_ptr(),
                          .own_stride = blocks.own.stride(1),
                          .batch = blocks.batch(),
                          .rows = blocks.rows(),
                          .first_row = first_row,
                          .heads = shape.columns / head_dim,
                          .head_dim = head_dim,
                          .ranks = static_cast<int>(blocks.heads.size()),
                          .rank = blocks.rank,
                          .own_heads = blocks.own_heads()};
  write_heads(z.const_data_ptr(), norms.q.const_data_ptr(), norms.k.const_data_ptr(),
              static_cast<const float*>(angles.const_data_ptr()), static_cast<float>(norms.eps), places, shape,
              c10::cuda::getCurrentCUDAStream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
}

at::Tensor add_gated(const at::Tensor& x, const at::Tensor& y, const at::Tensor& gate) {
  RECORD_FUNCTION("wf::add_gated", std::vector<c10::IValue>{x});
  WF_CHECK(x.is_contiguous() && y.is_contiguous() && y.scalar_type() == at::kBFloat16);
  const c10::cuda::CUDAGuard on_device(x.device());
  const at::Tensor out = x.scalar_type() == at::kFloat ? x : at::empty(x.sizes(), x.options().dtype(at::kFloat));
  add_gated(x.const_data_ptr(), element(x), y.const_data_ptr(),
            gate.defined() ? per_column(gate) : PerColumn{nullptr, 0}, out.data_ptr<float>(), shape_of(x),
            c10::cuda::getCurrentCUDAStream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

bool supports_widen(const at::Tensor& weight, at::ScalarType result) {
  return weight.is_cuda() && result == at::kBFloat16 && weight.size(1) % 16 == 0 && weight.numel() > 0;
}

at::Tensor widen(const at::Tensor& weight, const at::Tensor& scale) {
  RECORD_FUNCTION("wf::widen", std::vector<c10::IValue>{weight});
  WF_CHECK(weight.is_contiguous() && scale.is_contiguous() && scale.scalar_type() == at::kFloat);
  WF_CHECK(scale.numel() == weight.size(0));
  const c10::cuda::CUDAGuard on_device(weight.device());
  const at::Tensor out = bf16_like(weight, weight.sizes());
  widen(weight.const_data_ptr(), weight.scalar_type() == at::kFloat8_e4m3fn ? Float8::e4m3 : Float8::e5m2,
        scale.const_data_ptr<float>(), out.data_ptr(), weight.size(0), weight.size(1),
        c10::cuda::getCurrentCUDAStream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

}  // namespace wf::fused
