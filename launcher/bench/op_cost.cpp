#include "launcher/bench/op_cost.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "pipeline/kernels/fp8_format.hpp"

namespace wf {
namespace {

using Shapes = std::vector<TensorShape>;

std::string text(const TensorShape& shape) {
  std::string joined;
  for (const std::int64_t size : shape.sizes) joined.append(joined.empty() ? "" : "x").append(std::to_string(size));
  return joined;
}

template <std::size_t n>
bool is_one_of(std::string_view name, const std::array<std::string_view, n>& names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// Inputs: x [..., in], weight [out, in].
OpCost linear(const Shapes& in) { return {text(in[1]), 2 * in[0].elements() * in[1].sizes.front(), 0}; }

/// [..., n, k] times [..., k, m]; `first` is the index of the first factor among the inputs.
OpCost product(const Shapes& in, const Shapes& out, std::size_t first) {
  return {text(in[first]) + " " + text(in[first + 1]), 2 * out[0].elements() * in[first].sizes.back(), 0};
}

/// The weight is [out channels, in channels, kernel...].
OpCost convolution(const Shapes& in, const Shapes& out) {
  return {text(in[1]), 2 * out[0].elements() / in[1].sizes.front() * in[1].elements(), 0};
}

/// q and k are [..., rows, head_dim], or FlashAttention-3's [batch, rows, heads, head_dim]; `rows_at` is the index of
/// rows.
OpCost attention(const Shapes& in, std::size_t rows_at) {
  const std::int64_t keys = in[1].sizes[rows_at];
  return {text(in[0]) + ", " + std::to_string(keys) + " keys", 4 * in[0].elements() * keys, 0};
}

/// The joined projection x [batch, rows, 3d] is read once, its v once more, and so are sampled rows of its k and v.
std::int64_t bytes_of_projection(const TensorShape& x) {
  const std::int64_t rows = x.sizes[1], part = x.bytes() / 3;
  return 4 * part + 2 * part / rows * sample_size(rows) + x.elements();
}

/// Kernels of pipeline/kernels. x is f32 or `number`, the dtype of the products; what they write and the other inputs
/// are the latter, but the sum of add_gated is f32, and those that round to 8 bits write these.
OpCost fused_kernel(std::string_view name, const Shapes& in, const Shapes& out) {
  constexpr std::int64_t f8 = 1, bf16 = 2, f32 = 4;
  const std::int64_t number = out.empty() ? bf16 : out[0].element_size;
  const TensorShape& x = in[0];
  std::int64_t bytes = 0;
  if (name == "wf::modulated_norm" || name == "wf::affine_norm") bytes = x.bytes() + x.elements() * number;
  if (name == "wf::rms_norm" || name == "wf::write_heads") bytes = 2 * x.bytes();
  if (name == "wf::widen") bytes = x.bytes() + x.elements() * number;
  if (name == "wf::modulated_norm_fp8" || name == "wf::affine_norm_fp8") bytes = x.bytes() + x.elements() * f8;
  if (name == "wf::quantise_rows" || name == "wf::gelu_fp8") bytes = x.bytes() + x.elements() * f8;
  if (name == "wf::quantise_projection") bytes = bytes_of_projection(x);
  if (name == "wf::quantise_heads" || name == "wf::quantise_keys" || name == "wf::quantise_queries")
    // Each part is read twice: for its scales, and to be rounded.
    for (const TensorShape& part : in) bytes += 2 * part.bytes() + part.elements() * f8;
  if (name.starts_with("wf::add_") &&
      name.find("_norm") != std::string_view::npos)  // x and the branch in, sum and norm out
    bytes = x.bytes() + x.elements() * (number + f32 + (name.ends_with("fp8") ? f8 : number));
  if (name == "wf::add_mean") bytes = 2 * x.bytes();
  if (name == "wf::add_gated") bytes = x.bytes() + x.elements() * (number + f32);
  return {text(x), 0, bytes};
}

bool moves_nothing(std::string_view name, const Shapes& in, const Shapes& out) {
  const bool is_view = !in.empty() && !out.empty() && out[0].storage == in[0].storage && !name.ends_with('_');
  return is_view || name.starts_with("aten::empty");
}

OpCost elementwise(std::string_view name, const Shapes& in, const Shapes& out) {
  OpCost cost{in.empty() ? "" : text(in[0])};
  if (moves_nothing(name, in, out)) return cost;
  for (const TensorShape& shape : in) cost.bytes += shape.bytes();
  for (const TensorShape& shape : out) cost.bytes += shape.bytes();
  return cost;
}

constexpr std::array<std::string_view, 4> products{"aten::matmul", "aten::mm", "aten::bmm", "aten::_scaled_mm"};
constexpr std::array<std::string_view, 2> sums_of_products{"aten::addmm", "aten::baddbmm"};
constexpr std::array<std::string_view, 4> convolutions{"aten::conv2d", "aten::conv3d", "aten::convolution",
                                                       "aten::mkldnn_convolution"};

}  // namespace

std::int64_t TensorShape::elements() const {
  std::int64_t product = 1;
  for (const std::int64_t size : sizes) product *= size;
  return product;
}

OpCost op_cost(const std::string& name, const std::vector<TensorShape>& inputs,
               const std::vector<TensorShape>& outputs) {
  if (name.starts_with("wf::") && !inputs.empty()) return fused_kernel(name, inputs, outputs);
  const std::size_t in = inputs.size();
  if (name == "aten::linear" && in >= 2) return linear(inputs);
  if (name == "fa3_fwd::fwd" && in >= 2) return attention(inputs, 1);
  if (name.find("scaled_dot_product") != std::string::npos && in >= 2)
    return attention(inputs, inputs[1].sizes.size() - 2);
  if (is_one_of(name, convolutions) && in >= 2 && !outputs.empty()) return convolution(inputs, outputs);
  if (is_one_of(name, products) && in >= 2 && !outputs.empty()) return product(inputs, outputs, 0);
  if (is_one_of(name, sums_of_products) && in >= 3 && !outputs.empty()) return product(inputs, outputs, 1);
  return elementwise(name, inputs, outputs);
}

}  // namespace wf
