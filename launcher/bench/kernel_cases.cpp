#include "launcher/bench/kernel_cases.hpp"

#include <ATen/ATen.h>

#include <utility>

#include "pipeline/kernels/attention.hpp"
#include "pipeline/kernels/heads.hpp"
#include "pipeline/kernels/heads_fp8.hpp"
#include "pipeline/kernels/norm.hpp"
#include "pipeline/kernels/operand.hpp"
#include "pipeline/kernels/widen.hpp"

namespace wf {
namespace {

using Call = std::function<void()>;
using Sizes = std::vector<std::int64_t>;

constexpr at::ScalarType fp8 = at::kFloat8_e4m3fn;

/// The tensors that kernels are called with, and their shapes. In comments, d = dim, L = tokens, B = batch.
struct Inputs {
  DitConfig expert;
  TokenGrid grid;
  std::int64_t batch;
  at::Device device;
  at::ScalarType dtype;  ///< of matrix products that are not of 8-bit numbers

  std::int64_t dim() const { return expert.dim; }
  std::int64_t heads() const { return expert.num_heads; }
  std::int64_t head_dim() const { return expert.dim / expert.num_heads; }

  Sizes sizes_of_rows(std::int64_t columns) const { return {batch, grid.tokens(), columns}; }
  Sizes sizes_of_heads(std::int64_t rows) const { return {batch, heads(), rows, head_dim()}; }

  at::Tensor random(const Sizes& sizes, at::ScalarType type) const {
    return at::randn(sizes, at::TensorOptions(device).dtype(type));
  }
  at::Tensor random(const Sizes& sizes) const { return random(sizes, dtype); }
  /// [B, L, columns]
  at::Tensor rows(std::int64_t columns) const { return random(sizes_of_rows(columns)); }
  /// [B, L, d] f32
  at::Tensor stream() const { return random(sizes_of_rows(dim()), at::kFloat); }
  /// [1, 1, d] f32: a gate, a shift or a scale
  at::Tensor per_column() const { return random({1, 1, dim()}, at::kFloat); }
  /// [B, heads, rows, head_dim], in memory [B, rows, heads, head_dim] as a projection leaves it
  at::Tensor split_rows(std::int64_t rows) const { return random({batch, rows, heads(), head_dim()}).transpose(1, 2); }
  /// A matrix [out, in] in 8 bits: values [1, out, in] and scale [1, out, 1]
  Operand matrix_in_fp8(std::int64_t out, std::int64_t in) const { return as_operand(random({1, out, in}), fp8); }

  TensorShape shape(const Sizes& sizes, at::ScalarType type) const {
    return {sizes, static_cast<std::int64_t>(c10::elementSize(type))};
  }
  TensorShape shape(const Sizes& sizes) const { return shape(sizes, dtype); }
  TensorShape shape_of_rows(std::int64_t columns) const { return shape(sizes_of_rows(columns)); }
  TensorShape shape_of_stream() const { return shape(sizes_of_rows(dim()), at::kFloat); }
  /// The traffic of a kernel of wf:: whose other tensors are in the dtype of the products, or in 8 bits by its name.
  OpCost traffic(const std::string& kernel, const std::vector<TensorShape>& inputs) const {
    return op_cost("wf::" + kernel, inputs, {shape({})});
  }
};

// ---- One pass over memory ----

using Norm = Operand (*)(at::Tensor& x, const Branch& branch, const at::Tensor& a, const at::Tensor& b, double eps,
                         at::ScalarType result);

Operand affine_norm_of(at::Tensor& x, const Branch& branch, const at::Tensor& weight, const at::Tensor& bias,
                       double eps, at::ScalarType result) {
  return affine_norm(x, branch, weight.flatten(), bias.flatten(), eps, result);
}

/// A norm of the residual stream: alone, or with a branch that is added before.
KernelCase norm(const Inputs& in, const std::string& name, Norm norm, bool adds, at::ScalarType result) {
  const std::string kernel = (adds ? "add_" : "") + name + (result == fp8 ? "_fp8" : "");
  return {kernel, in.traffic(kernel, {in.shape_of_stream()}), false, [=]() -> Call {
            const Branch branch = adds ? Branch{in.rows(in.dim()), in.per_column()} : Branch{};
            return [=, x = in.stream(), a = in.per_column(), b = in.per_column()]() mutable {
              norm(x, branch, a, b, in.expert.eps, result);
            };
          }};
}

void add_norms(std::vector<KernelCase>& cases, const Inputs& in, at::ScalarType result) {
  for (const bool adds : {false, true}) {
    cases.push_back(norm(in, "modulated_norm", modulated_norm, adds, result));
    cases.push_back(norm(in, "affine_norm", affine_norm_of, adds, result));
  }
}

KernelCase rms_norm_case(const Inputs& in) {
  return {"rms_norm", in.traffic("rms_norm", {in.shape_of_rows(in.dim())}), false, [in]() -> Call {
            return [z = in.rows(in.dim()), weight = in.random({in.dim()}), eps = in.expert.eps] {
              rms_norm(z, weight, eps);
            };
          }};
}

/// What q, k and v pass on their way from their joined projection.
struct Projection {
  at::Tensor z, norm_q, norm_k, angles;  ///< [B, L, 3d], [d], [d], [L, head_dim / 2]
  double eps;

  explicit Projection(const Inputs& in)
      : z(in.rows(3 * in.dim())),
        norm_q(in.random({in.dim()})),
        norm_k(in.random({in.dim()})),
        angles(rope_table(in.grid, in.head_dim(), in.device)),
        eps(in.expert.eps) {}
  HeadNorms norms() const { return {norm_q, norm_k, eps}; }
};

KernelCase write_heads_case(const Inputs& in) {
  return {
      "write_heads", in.traffic("write_heads", {in.shape_of_rows(3 * in.dim())}), false, [in]() -> Call {
        const Projection from(in);
        const at::Tensor own = at::empty({3, in.batch, in.grid.tokens(), in.heads(), in.head_dim()}, from.z.options());
        const HeadBlocks to = HeadBlocks::make(own, in.heads(), /*rank=*/0, /*ranks=*/1);
        return [from, to] { write_heads(from.z, from.norms(), from.angles, to, /*first_row=*/0); };
      }};
}

KernelCase add_gated_case(const Inputs& in) {
  return {"add_gated", in.traffic("add_gated", {in.shape_of_stream()}), false, [in]() -> Call {
            return [x = in.stream(), y = in.rows(in.dim()), gate = in.per_column()] { add_gated(x, y, gate); };
          }};
}

KernelCase gelu_case(const Inputs& in) {
  const TensorShape x = in.shape_of_rows(in.expert.ffn_dim);
  return {"gelu", op_cost("aten::gelu_", {x}, {x}), false, [in]() -> Call {
            // GELU leaves large numbers as they are, so a repeated call finds what the first one found.
            return [x = in.rows(in.expert.ffn_dim).add_(20), dtype = in.dtype] { gelu(x, dtype); };
          }};
}

KernelCase widen_case(const Inputs& in) {
  const std::int64_t out = in.expert.ffn_dim;
  return {"widen", in.traffic("widen", {in.shape({out, in.dim()}, fp8)}), false, [in, out]() -> Call {
            const Operand matrix = in.matrix_in_fp8(out, in.dim());
            return [weight = matrix.values.squeeze(0), scale = matrix.scale.flatten(), dtype = in.dtype] {
              widen(weight, scale, dtype);
            };
          }};
}

void add_elementwise(std::vector<KernelCase>& cases, const Inputs& in) {
  add_norms(cases, in, in.dtype);
  cases.push_back(rms_norm_case(in));
  cases.push_back(write_heads_case(in));
  cases.push_back(add_gated_case(in));
  cases.push_back(gelu_case(in));
  cases.push_back(widen_case(in));
}

// ---- Rounding to 8 bits ----

void add_roundings(std::vector<KernelCase>& cases, const Inputs& in) {
  add_norms(cases, in, fp8);
  const std::int64_t d = in.dim(), ffn = in.expert.ffn_dim;
  cases.push_back({"quantise_rows", in.traffic("quantise_rows", {in.shape_of_rows(d)}), false,
                   [in, d]() -> Call { return [x = in.rows(d)] { as_operand(x, fp8); }; }});
  cases.push_back({"gelu_fp8", in.traffic("gelu_fp8", {in.shape_of_rows(ffn)}), false,
                   [in, ffn]() -> Call { return [x = in.rows(ffn)] { gelu(x, fp8); }; }});
}

KernelCase quantise_heads_case(const Inputs& in) {
  const std::int64_t tokens = in.grid.tokens();
  const TensorShape part = in.shape(in.sizes_of_heads(tokens));
  return {"quantise_heads", in.traffic("quantise_heads", {part, part, part}), false, [in, tokens]() -> Call {
            return [q = in.split_rows(tokens), k = in.split_rows(tokens), v = in.split_rows(tokens)] {
              quantise_heads(q, k, v);
            };
          }};
}

KernelCase quantise_projection_case(const Inputs& in) {
  const std::string kernel = "quantise_projection";
  return {kernel, in.traffic(kernel, {in.shape_of_rows(3 * in.dim())}), false, [in]() -> Call {
            return [from = Projection(in), head_dim = in.head_dim()] {
              quantise_projection(from.z, from.norms(), from.angles, head_dim);
            };
          }};
}

KernelCase add_mean_case(const Inputs& in) {
  return {"add_mean", in.traffic("add_mean", {in.shape_of_rows(in.dim())}), false, [in]() -> Call {
            const at::Tensor mean = at::zeros({in.batch, in.dim() / in.head_dim(), in.head_dim()}, in.device);
            return [x = in.split_rows(in.grid.tokens()), mean] { add_mean(x, mean); };
          }};
}

// ---- Matrix products and attention ----

/// The operations of op_cost(name, inputs), and the traffic of reading these inputs and writing `result`.
OpCost with_traffic(const std::string& name, const std::vector<TensorShape>& inputs, const TensorShape& result) {
  OpCost cost = op_cost(name, inputs, {});
  cost.bytes = result.bytes();
  for (const TensorShape& input : inputs) cost.bytes += input.bytes();
  return cost;
}

/// type: of both factors.
OpCost cost_of_product(const Inputs& in, std::int64_t out, std::int64_t columns, at::ScalarType type) {
  return with_traffic("aten::linear", {in.shape(in.sizes_of_rows(columns), type), in.shape({out, columns}, type)},
                      in.shape_of_rows(out));
}

KernelCase linear(const Inputs& in, std::int64_t out, std::int64_t columns) {
  return {"linear", cost_of_product(in, out, columns, in.dtype), false, [=]() -> Call {
            return [x = in.rows(columns), weight = in.random({out, columns}), bias = in.random({out})] {
              at::linear(x, weight, bias);
            };
          }};
}

KernelCase product_in_fp8(const Inputs& in, std::int64_t out, std::int64_t columns) {
  return {"scaled_product", cost_of_product(in, out, columns, fp8), true, [=]() -> Call {
            const Operand matrix = in.matrix_in_fp8(out, columns);
            return
                [x = as_operand(in.rows(columns), fp8), weight = matrix.values.squeeze(0),
                 scale = matrix.scale.flatten(), bias = in.random({out})] { scaled_product(x, weight, scale, bias); };
          }};
}

/// The products of a block: with q, k and v joined; with the output of attention, and the two of cross-attention that
/// have its size; with both matrices of the feed-forward network.
void add_products(std::vector<KernelCase>& cases, const Inputs& in,
                  KernelCase (*product)(const Inputs& in, std::int64_t out, std::int64_t columns)) {
  const std::int64_t d = in.dim(), ffn = in.expert.ffn_dim;
  for (const auto& [out, columns] : {std::pair{3 * d, d}, {d, d}, {ffn, d}, {d, ffn}})
    cases.push_back(product(in, out, columns));
}

/// type: of q, k and v.
OpCost cost_of_attention(const Inputs& in, std::int64_t keys, at::ScalarType type) {
  const Sizes rows = in.sizes_of_heads(in.grid.tokens());
  const TensorShape q = in.shape(rows, type), k = in.shape(in.sizes_of_heads(keys), type);
  return with_traffic("aten::scaled_dot_product_attention", {q, k, k}, in.shape(rows));
}

/// On a CPU scores have a bias, as in TextContext.
KernelCase cross_attention_case(const Inputs& in) {
  const std::int64_t keys = in.expert.text_len;
  return {"biased_attention", cost_of_attention(in, keys, in.dtype), false, [in, keys]() -> Call {
            const at::Tensor bias = in.device.is_cpu() ? at::zeros({in.batch, 1, 1, keys}) : at::Tensor();
            return [bias, q = in.split_rows(in.grid.tokens()), k = in.random(in.sizes_of_heads(keys)),
                    v = in.random(in.sizes_of_heads(keys))] { biased_attention(q, k, v, bias); };
          }};
}

KernelCase self_attention_case(const Inputs& in, const ChosenAttention& chosen) {
  const std::int64_t tokens = in.grid.tokens();
  const Attention attention = chosen.attention.of_rows;
  return {"self_attention " + chosen.name, cost_of_attention(in, tokens, in.dtype), false,
          [in, tokens, attention]() -> Call {
            return [attention, q = in.split_rows(tokens), k = in.split_rows(tokens), v = in.split_rows(tokens)] {
              attention(q, k, v, /*with_lse=*/false);
            };
          }};
}

KernelCase self_attention_in_fp8(const Inputs& in, const ChosenAttention& chosen) {
  const std::int64_t tokens = in.grid.tokens();
  const HeadsAttention attention = chosen.attention.of_fp8_heads;
  return {"self_attention " + chosen.name, cost_of_attention(in, tokens, fp8), true, [in, tokens, attention]() -> Call {
            const Fp8Heads heads = quantise_heads(in.split_rows(tokens), in.split_rows(tokens), in.split_rows(tokens));
            return [attention, heads] { attention(heads); };
          }};
}

}  // namespace

std::vector<KernelCase> kernel_cases(const KernelSizes& sizes, const Execution& execution) {
  const at::ScalarType dtype = number_type(execution.precision);
  const Inputs in{sizes.expert, sizes.grid, sizes.batch, execution.device, dtype};
  const bool rounds = multiplies_in_fp8(execution.precision), attends = attends_in_fp8(execution);
  std::vector<KernelCase> cases;
  add_elementwise(cases, in);
  if (rounds) add_roundings(cases, in);
  if (attends) cases.insert(cases.end(), {quantise_heads_case(in), quantise_projection_case(in), add_mean_case(in)});
  add_products(cases, in, linear);
  if (rounds) add_products(cases, in, product_in_fp8);
  const ChosenAttention chosen = choose_attention(execution, in.head_dim());
  cases.push_back(cross_attention_case(in));
  cases.push_back(self_attention_case(in, choose_attention(exactly(execution), in.head_dim())));
  if (attends) cases.push_back(self_attention_in_fp8(in, chosen));
  return cases;
}

}  // namespace wf
