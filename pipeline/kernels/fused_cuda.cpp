// pipeline/kernels/fused_cuda.cpp: checks tensors and passes their pointers, and the current stream, to fused_cuda.cu.
#include <ATen/ATen.h>
#include <ATen/record_function.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "base/check.hpp"
#include "pipeline/kernels/fp8_format.hpp"
#include "pipeline/kernels/fused.hpp"
#include "pipeline/kernels/fused_launch.hpp"

namespace wf::fused {
namespace {

constexpr std::int64_t most_columns = 20480;  ///< columns that a block of 512 threads holds in registers

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

/// Memory for an operand in `dtype` with the shape of x.
Operand operand_like(const at::Tensor& x, at::ScalarType dtype) {
  const at::Tensor values = at::empty(x.sizes(), x.options().dtype(dtype));
  if (dtype == at::kBFloat16) return values;
  return {values, at::empty({x.size(0), x.size(1), 1}, x.options().dtype(at::kFloat))};
}

RowsOut rows_of(const Operand& operand) {
  return {operand.values.data_ptr(), operand.scale.defined() ? operand.scale.data_ptr<float>() : nullptr};
}

/// x [batch, rows, d] may be some rows of a longer sequence.
void check_dense_rows(const at::Tensor& x) { WF_CHECK(x.stride(2) == 1 && x.stride(1) == x.size(2)); }

/// What adding `branch` to x takes. x becomes the tensor of the sums: itself if it is f32.
Addend add_to(at::Tensor& x, const Branch& branch) {
  if (!branch.y.defined()) return {};
  check_dense_rows(branch.y);
  WF_CHECK(branch.y.scalar_type() == at::kBFloat16 && branch.y.sizes() == x.sizes());
  if (x.scalar_type() != at::kFloat) x = at::empty(x.sizes(), x.options().dtype(at::kFloat));
  return {branch.y.const_data_ptr(), branch.y.stride(0),
          branch.gate.defined() ? per_column(branch.gate) : PerColumn{nullptr, 0}, x.data_ptr<float>(), x.stride(0)};
}

Operand layer_norm_of(at::Tensor& x, const Branch& branch, const NormWeights& weights, double eps,
                      at::ScalarType result) {
  check_dense_rows(x);
  const c10::cuda::CUDAGuard on_device(x.device());
  Operand out = operand_like(x, result);
  const at::Tensor before = x;
  const Addend addend = add_to(x, branch);
  layer_norm({before.const_data_ptr(), element(before), before.stride(0)}, addend, weights, static_cast<float>(eps),
             rows_of(out), shape_of(x), c10::cuda::getCurrentCUDAStream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

/// The name under which a norm is profiled.
const char* name_of(const Branch& branch, const char* alone, const char* adding) {
  return branch.y.defined() ? adding : alone;
}

void check_weight(const at::Tensor& weight) {
  WF_CHECK(weight.scalar_type() == at::kBFloat16 && weight.is_contiguous());
}

/// Memory for heads in 8 bits, [batch, rows, heads, head_dim] in this order, and for what is found on the way to them.
struct Fp8HeadsMemory {
  at::Tensor q, k, v, most, sums, scales, means;
  std::int64_t blocks;

  Fp8HeadsMemory(const at::TensorOptions& like, at::IntArrayRef q_sizes, at::IntArrayRef k_sizes,
                 std::int64_t of_blocks)
      : q(at::empty(q_sizes, like.dtype(at::kFloat8_e4m3fn))),
        k(at::empty(k_sizes, like.dtype(at::kFloat8_e4m3fn))),
        v(at::empty(k_sizes, like.dtype(at::kFloat8_e4m3fn))),
        blocks(of_blocks) {
    const std::int64_t batch = q_sizes[0], heads = q_sizes[2], head_dim = q_sizes[3];
    const at::TensorOptions f32 = like.dtype(at::kFloat);
    most = at::zeros({3, batch, heads}, like.dtype(at::kInt));
    sums = at::empty({2, batch, blocks, heads * head_dim}, f32);
    scales = at::empty({3, batch, heads}, f32);
    means = at::empty({2, batch, heads, head_dim}, f32);
  }
  HeadStatistics statistics() const {
    return {reinterpret_cast<unsigned*>(most.data_ptr<int>()), sums.data_ptr<float>(), blocks};
  }
  HeadScales head_scales() const { return {scales.data_ptr<float>(), means.data_ptr<float>()}; }
  HeadsOut out() const { return {{q.data_ptr(), k.data_ptr(), v.data_ptr()}}; }
  Fp8Heads heads() const {
    return {q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), scales[0],
            scales[1],         scales[2],         means[0],          means[1]};
  }
};

/// The sizes of x [batch, heads, rows, head_dim] with so many rows, in the order in which it is in memory.
std::vector<std::int64_t> sizes_in_memory(const at::Tensor& x, std::int64_t rows) {
  return {x.size(0), rows, x.size(1), x.size(3)};
}

HeadRows rows_of_heads(const at::Tensor& x) { return {x.const_data_ptr(), x.size(2), x.stride(0), x.stride(2)}; }

/// Parts of an attention, of which some may be without rows. like: one of the others.
HeadsIn heads_in(const HeadRows& q, const HeadRows& k, const HeadRows& v, const at::Tensor& like) {
  return {{q, k, v}, like.size(0), static_cast<int>(like.size(1)), static_cast<int>(like.size(3))};
}

}  // namespace

bool supports(const at::Tensor& x, at::ScalarType result) {
  return x.is_cuda() && x.dim() == 3 && (result == at::kBFloat16 || result == at::kFloat8_e4m3fn) &&
         x.size(2) % 8 == 0 && x.size(2) <= most_columns && x.numel() > 0;
}

Operand modulated_norm(at::Tensor& x, const Branch& branch, const at::Tensor& shift, const at::Tensor& scale,
                       double eps, at::ScalarType result) {
  const bool wide = result == at::kBFloat16;
  RECORD_FUNCTION(wide ? name_of(branch, "wf::modulated_norm", "wf::add_modulated_norm")
                       : name_of(branch, "wf::modulated_norm_fp8", "wf::add_modulated_norm_fp8"),
                  std::vector<c10::IValue>{x});
  return layer_norm_of(x, branch, {per_column(scale), /*gain_is_offset=*/true, per_column(shift)}, eps, result);
}

Operand affine_norm(at::Tensor& x, const Branch& branch, const at::Tensor& weight, const at::Tensor& bias, double eps,
                    at::ScalarType result) {
  const bool wide = result == at::kBFloat16;
  RECORD_FUNCTION(wide ? name_of(branch, "wf::affine_norm", "wf::add_affine_norm")
                       : name_of(branch, "wf::affine_norm_fp8", "wf::add_affine_norm_fp8"),
                  std::vector<c10::IValue>{x});
  return layer_norm_of(x, branch, {per_column(weight), /*gain_is_offset=*/false, per_column(bias)}, eps, result);
}

bool supports_quantise(const at::Tensor& x) {
  return supports(x, at::kFloat8_e4m3fn) && x.scalar_type() == at::kBFloat16 && x.is_contiguous();
}

Operand quantise_rows(const at::Tensor& x, bool through_gelu) {
  RECORD_FUNCTION(through_gelu ? "wf::gelu_fp8" : "wf::quantise_rows", std::vector<c10::IValue>{x});
  const c10::cuda::CUDAGuard on_device(x.device());
  Operand out = operand_like(x, at::kFloat8_e4m3fn);
  quantise_rows(x.const_data_ptr(), through_gelu, rows_of(out), shape_of(x), c10::cuda::getCurrentCUDAStream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
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

bool supports_quantise_heads(const at::Tensor& x) {
  return has_fp8_kernels(x.size(3)) && x.is_cuda() && x.scalar_type() == at::kBFloat16 && x.numel() > 0 &&
         x.stride(3) == 1 && x.stride(1) == x.size(3) && x.stride(0) % 8 == 0 && x.stride(2) % 8 == 0;
}

Fp8Heads quantise_keys(const at::Tensor& k, const at::Tensor& v) {
  RECORD_FUNCTION("wf::quantise_keys", (std::vector<c10::IValue>{k, v}));
  const c10::cuda::CUDAGuard on_device(k.device());
  const Fp8HeadsMemory memory(k.options(), sizes_in_memory(k, 0), sizes_in_memory(k, k.size(2)),
                              statistics_blocks(k.size(2)));
  quantise_keys(heads_in({}, rows_of_heads(k), rows_of_heads(v), k), memory.statistics(), memory.head_scales(),
                memory.out(), c10::cuda::getCurrentCUDAStream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  Fp8Heads keys = memory.heads();
  keys.q.reset();
  keys.q_scale.reset();
  return keys;
}

Fp8Heads with_queries(Fp8Heads keys, const at::Tensor& q) {
  RECORD_FUNCTION("wf::quantise_queries", std::vector<c10::IValue>{q});
  const c10::cuda::CUDAGuard on_device(q.device());
  const Fp8HeadsMemory memory(q.options(), sizes_in_memory(q, q.size(2)), sizes_in_memory(q, 0), /*of_blocks=*/0);
  quantise_queries(heads_in(rows_of_heads(q), {}, {}, q), memory.statistics(), memory.head_scales(), memory.out(),
                   c10::cuda::getCurrentCUDAStream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  keys.q = memory.heads().q;
  keys.q_scale = memory.heads().q_scale;
  return keys;
}

bool supports_quantise_projection(const at::Tensor& z, std::int64_t head_dim) {
  return has_fp8_kernels(head_dim) && z.scalar_type() == at::kBFloat16 && z.is_contiguous() &&
         z.size(2) / 3 % head_dim == 0 && supports(z.narrow(2, 0, z.size(2) / 3), at::kBFloat16);
}

Fp8Heads quantise_projection(const at::Tensor& z, const HeadNorms& norms, const at::Tensor& angles,
                             std::int64_t head_dim) {
  RECORD_FUNCTION("wf::quantise_projection", std::vector<c10::IValue>{z});
  WF_CHECK(angles.is_contiguous() && angles.scalar_type() == at::kComplexFloat && angles.size(0) == z.size(1));
  check_weight(norms.q);
  check_weight(norms.k);
  const c10::cuda::CUDAGuard on_device(z.device());
  const std::int64_t batch = z.size(0), rows = z.size(1), columns = z.size(2) / 3, heads = columns / head_dim;
  const Projection projection{.z = z.const_data_ptr(),
                              .weight_q = norms.q.const_data_ptr(),
                              .weight_k = norms.k.const_data_ptr(),
                              .angles = static_cast<const float*>(angles.const_data_ptr()),
                              .eps = static_cast<float>(norms.eps),
                              .shape = {batch * rows, rows, static_cast<int>(columns)},
                              .batch = batch,
                              .heads = static_cast<int>(heads),
                              .head_dim = static_cast<int>(head_dim)};
  const std::vector<std::int64_t> sizes{batch, rows, heads, head_dim};
  const Fp8HeadsMemory memory(z.options(), sizes, sizes, projection_blocks(rows));
  quantise_projection(projection, memory.statistics(), memory.head_scales(), memory.out(),
                      c10::cuda::getCurrentCUDAStream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return memory.heads();
}

bool supports_add_mean(const at::Tensor& x) {
  const at::Tensor rows = x.transpose(1, 2);
  return x.is_cuda() && x.scalar_type() == at::kBFloat16 && rows.is_contiguous() &&
         supports(rows.flatten(2), at::kBFloat16);
}

void add_mean(const at::Tensor& x, const at::Tensor& mean) {
  const at::Tensor rows = x.transpose(1, 2).flatten(2);
  RECORD_FUNCTION("wf::add_mean", std::vector<c10::IValue>{rows});
  WF_CHECK(mean.is_contiguous() && mean.scalar_type() == at::kFloat && mean.numel() == x.size(0) * rows.size(2));
  WF_CHECK(reinterpret_cast<std::uintptr_t>(mean.const_data_ptr()) % 16 == 0);
  const c10::cuda::CUDAGuard on_device(x.device());
  add_mean(rows.data_ptr(), mean.const_data_ptr<float>(), shape_of(rows), c10::cuda::getCurrentCUDAStream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
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
