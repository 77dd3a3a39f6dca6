// pipeline/model/dit_weights.cpp: loads an expert's tensors by their published names (1095 of them at full size) and
// counts the bytes that they and a forward take.
#include <ATen/ATen.h>

#include <algorithm>

#include "base/error.hpp"
#include "parallel/device.hpp"
#include "pipeline/kernels/widen.hpp"
#include "pipeline/model/dit.hpp"
#include "pipeline/model/weight_reader.hpp"

namespace wf {
namespace {

/// What a linear layer of a block belongs to.
enum class Layer { text, stream, ffn };  // keys and values of the text; all others; the feed-forward network

/// Whether a precision multiplies the layer in 8 bits.
bool multiplies_in_fp8(Precision precision, Layer layer) {
  return layer == Layer::ffn ? multiplies_in_fp8(precision)
                             : layer == Layer::stream && precision >= Precision::fp8_linear;
}

/// How the layers of a block are multiplied, and how their matrices are kept.
struct LayerForm {
  Precision precision;
  WeightForm form;
};

/// Loads tensors in the GEMMs' dtype. The `wide` ones, which the official code uses in f32, are first rounded to that
/// dtype, as published, and then converted to f32.
class DitReader {
 public:
  DitReader(const NetworkWeights& files, const DitConfig& config, Precision precision, at::Device device,
            WeightForm form)
      : reader_(files, number_type(precision), device),
        config_(config),
        device_(device),
        form_{precision, kept_form(precision, form)},
        rounds_by_choice_(form == WeightForm::fp8 && kept_form(precision, WeightForm::as_computed) != form) {}

  Linear linear(const std::string& name, std::int64_t out, std::int64_t in) {
    return {reader_.take(name + ".weight", {out, in}), reader_.take(name + ".bias", {out})};
  }
  Linear wide_linear(const std::string& name, std::int64_t out, std::int64_t in) {
    const Linear narrow = linear(name, out, in);
    return {narrow.weight.to(at::kFloat), narrow.bias.to(at::kFloat)};
  }
  at::Tensor vector(const std::string& name) { return reader_.take(name, {config_.dim}); }
  at::Tensor modulation(const std::string& name, std::int64_t rows) {
    return reader_.take(name, {1, rows, config_.dim}).squeeze(0).to(at::kFloat);
  }
  Linear patch_embedding() {
    const at::Tensor kernel = reader_.take("patch_embedding.weight", {config_.dim, config_.in_dim, 1, 2, 2});
    return {kernel.flatten(1), reader_.take("patch_embedding.bias", {config_.dim})};
  }
  DitBlock block(const std::string& prefix, bool exact);
  WeightReader& rest() { return reader_; }
  bool has_rounded() const { return has_rounded_; }

 private:
  LayerForm form_of_block(bool exact) const;
  /// A layer of a block. Several projections of one input are joined into one matrix, so that one GEMM computes all of
  /// them.
  Linear joined(const LayerForm& of_block, Layer layer, const std::vector<std::string>& parts, std::int64_t out,
                std::int64_t in);
  Linear joined_in_fp8(const std::vector<std::string>& parts, std::int64_t out, std::int64_t in, bool multiplies);
  bool all_kept(const std::vector<std::string>& parts) const;

  WeightReader reader_;
  const DitConfig& config_;
  at::Device device_;
  LayerForm form_;         ///< of blocks that are not exact
  bool rounds_by_choice_;  ///< the form, not the precision, asks for matrices in 8 bits
  bool has_rounded_ = false;
};

/// Whether all parts are stored in one 8-bit dtype, so that the joined matrix can have it.
bool DitReader::all_kept(const std::vector<std::string>& parts) const {
  return std::ranges::all_of(parts, [&](const std::string& part) {
    return reader_.is_kept_in_fp8(part + ".weight") &&
           reader_.stored_dtype(part + ".weight") == reader_.stored_dtype(parts.front() + ".weight");
  });
}

LayerForm DitReader::form_of_block(bool exact) const {
  if (!exact) return form_;
  return {multiplies_in_fp8(form_.precision) ? Precision::exact : form_.precision,
          form_.form == WeightForm::fp8 ? WeightForm::as_computed : form_.form};
}

Linear DitReader::joined(const LayerForm& of_block, Layer layer, const std::vector<std::string>& parts,
                         std::int64_t out, std::int64_t in) {
  const bool multiplies = multiplies_in_fp8(of_block.precision, layer);
  const WeightForm form = of_block.form;
  if (multiplies || form == WeightForm::fp8 || (form == WeightForm::as_stored && all_kept(parts)))
    return joined_in_fp8(parts, out, in, multiplies);
  std::vector<at::Tensor> weights, biases;
  for (const std::string& part : parts) {
    const Linear one = linear(part, out, in);
    weights.push_back(one.weight);
    biases.push_back(one.bias);
  }
  return parts.size() == 1 ? Linear{weights[0], biases[0]} : Linear{at::cat(weights), at::cat(biases)};
}

Linear DitReader::joined_in_fp8(const std::vector<std::string>& parts, std::int64_t out, std::int64_t in,
                                bool multiplies) {
  const bool as_stored = !multiplies && all_kept(parts);
  const at::ScalarType f8 = as_stored ? reader_.stored_dtype(parts.front() + ".weight") : at::kFloat8_e4m3fn;
  // A matrix gets memory of its own, not some that was left when another one was rounded: the rest of that would be too
  // small for the next, and lost.
  if (device_.is_cuda()) release_cached_memory(device_);
  const at::Tensor weight = at::empty({std::ssize(parts) * out, in}, at::device(device_).dtype(at::kByte));
  std::vector<at::Tensor> biases, scales;
  for (const std::string& part : parts) {
    const std::string name = part + ".weight";
    has_rounded_ |=
        rounds_by_choice_ && !multiplies && (!reader_.is_kept_in_fp8(name) || reader_.stored_dtype(name) != f8);
    const ScaledMatrix matrix = reader_.take_scaled(name, f8, {out, in});
    weight.narrow(0, std::ssize(biases) * out, out).copy_(matrix.weight.view(at::kByte));
    scales.push_back(matrix.scale);
    biases.push_back(reader_.take(part + ".bias", {out}));
  }
  return {weight.view(f8), at::cat(biases), at::cat(scales), multiplies};
}

DitBlock DitReader::block(const std::string& prefix, bool exact) {
  const std::int64_t d = config_.dim, f = config_.ffn_dim;
  const LayerForm form = form_of_block(exact);
  const std::string self = prefix + "self_attn.", cross = prefix + "cross_attn.";
  DitBlock block;
  block.is_exact = exact;
  block.modulation = modulation(prefix + "modulation", 6);
  block.qkv = joined(form, Layer::stream, {self + "q", self + "k", self + "v"}, d, d);
  block.out = joined(form, Layer::stream, {self + "o"}, d, d);
  block.norm_q = vector(self + "norm_q.weight");
  block.norm_k = vector(self + "norm_k.weight");
  block.cross_norm_weight = vector(prefix + "norm3.weight").to(at::kFloat);
  block.cross_norm_bias = vector(prefix + "norm3.bias").to(at::kFloat);
  block.cross_q = joined(form, Layer::stream, {cross + "q"}, d, d);
  block.cross_kv = joined(form, Layer::text, {cross + "k", cross + "v"}, d, d);
  block.cross_out = joined(form, Layer::stream, {cross + "o"}, d, d);
  block.cross_norm_q = vector(cross + "norm_q.weight");
  block.cross_norm_k = vector(cross + "norm_k.weight");
  block.ffn_up = joined(form, Layer::ffn, {prefix + "ffn.0"}, f, d);
  block.ffn_down = joined(form, Layer::ffn, {prefix + "ffn.2"}, d, f);
  return block;
}

using LayerVisit = std::function<void(Linear&)>;
using TensorVisit = std::function<void(at::Tensor&)>;

/// Visits all linear layers and all other tensors of a block.
void for_each_part(DitBlock& block, const LayerVisit& visit_layer, const TensorVisit& visit) {
  for (Linear* linear :
       {&block.qkv, &block.out, &block.cross_q, &block.cross_kv, &block.cross_out, &block.ffn_up, &block.ffn_down})
    visit_layer(*linear);
  for (at::Tensor* tensor : {&block.modulation, &block.norm_q, &block.norm_k, &block.cross_norm_weight,
                             &block.cross_norm_bias, &block.cross_norm_q, &block.cross_norm_k})
    visit(*tensor);
}

/// The same of all weights.
void for_each_part(DitWeights& weights, const LayerVisit& visit_layer, const TensorVisit& visit) {
  for (Linear* linear : {&weights.patch_embedding, &weights.text_in, &weights.text_out, &weights.time_in,
                         &weights.time_out, &weights.time_projection, &weights.head})
    visit_layer(*linear);
  visit(weights.head_modulation);
  for (DitBlock& block : weights.blocks) for_each_part(block, visit_layer, visit);
}

/// Visits the tensors of a layer.
LayerVisit tensors_of_layer(const TensorVisit& visit) {
  return [&visit](Linear& linear) {
    visit(linear.weight);
    visit(linear.bias);
    if (linear.scale.defined()) visit(linear.scale);
  };
}

/// How the matrices of a block are kept.
struct BlockForm {
  std::int64_t item;            ///< bytes of a number that is not in 8 bits
  bool all_in_fp8, ffn_in_fp8;  ///< all matrices, or at least those of the feed-forward network, are in 8 bits
};
BlockForm block_form(Precision precision, WeightForm form, bool exact) {
  const bool all_in_fp8 = !exact && kept_form(precision, form) == WeightForm::fp8;
  return {number_bytes(precision), all_in_fp8, all_in_fp8 || (!exact && multiplies_in_fp8(precision))};
}

/// Bytes of a block's weights.
std::int64_t block_bytes(const DitConfig& config, const BlockForm& form) {
  const std::int64_t d = config.dim, f = config.ffn_dim;
  const auto& [item, all_in_fp8, ffn_in_fp8] = form;
  return (13 * d + f) * item + 8 * d * d * (all_in_fp8 ? 1 : item) + (all_in_fp8 ? 8 * d * 4 : 0) +
         2 * d * f * (ffn_in_fp8 ? 1 : item) + (ffn_in_fp8 ? (d + f) * 4 : 0) + 8 * d * 4;
}

}  // namespace

WeightForm kept_form(Precision precision, WeightForm form) {
  return precision >= Precision::fp8_linear ? WeightForm::fp8 : form;
}

DitWeights load_dit(const NetworkWeights& files, const DitConfig& config, Precision precision, at::Device device,
                    WeightForm form, const BlockNumbers& exact_blocks, const SettleBlock& settle) {
  DitReader reader(files, config, precision, device, form);
  const std::int64_t d = config.dim;
  DitWeights weights;
  weights.config = config;
  weights.precision = precision;
  weights.text_dim = reader.rest().size("text_embedding.0.weight", 1);
  weights.patch_embedding = reader.patch_embedding();
  weights.text_in = reader.linear("text_embedding.0", d, weights.text_dim);
  weights.text_out = reader.linear("text_embedding.2", d, d);
  weights.time_in = reader.wide_linear("time_embedding.0", d, config.freq_dim);
  weights.time_out = reader.wide_linear("time_embedding.2", d, d);
  weights.time_projection = reader.wide_linear("time_projection.1", 6 * d, d);
  for (std::int64_t i = 0; i < config.num_layers; ++i) {
    weights.blocks.push_back(reader.block("blocks." + std::to_string(i) + ".", exact_blocks.contains(i)));
    if (settle) settle(weights.blocks.size() - 1, weights.blocks.back());
  }
  weights.head_modulation = reader.modulation("head.modulation", 2);
  weights.head = reader.wide_linear("head.head", 4 * config.out_dim, d);
  weights.is_rounded_to_fp8 = reader.has_rounded();
  reader.rest().expect_nothing_left("an expert with num_layers " + std::to_string(config.num_layers));
  return weights;
}

void for_each_tensor(DitBlock& block, const std::function<void(at::Tensor&)>& visit) {
  for_each_part(block, tensors_of_layer(visit), visit);
}

void for_each_tensor(DitWeights& weights, const std::function<void(at::Tensor&)>& visit) {
  for_each_part(weights, tensors_of_layer(visit), visit);
}

DitWeights widened(DitWeights weights, const std::function<at::Tensor(const at::Tensor&)>& fetch) {
  const auto fetch_layer = [&](Linear& linear) {
    linear.weight = fetch(linear.weight);
    linear.bias = fetch(linear.bias);
    if (!linear.scale.defined()) return;
    if (linear.multiplies_in_fp8) {
      linear.scale = fetch(linear.scale);
      return;
    }
    linear.weight = widen(linear.weight, fetch(linear.scale), linear.bias.scalar_type());
    linear.scale.reset();
  };
  for_each_part(weights, fetch_layer, [&](at::Tensor& tensor) { tensor = fetch(tensor); });
  return weights;
}

DitWeights with_exact_products(DitWeights weights) {
  for_each_part(
      weights, [](Linear& linear) { linear.multiplies_in_fp8 = false; }, [](at::Tensor&) {});
  return weights;
}

std::uint64_t dit_weight_bytes(const DitConfig& config, std::int64_t text_dim, Precision precision, WeightForm form,
                               std::size_t exact_blocks) {
  const std::int64_t d = config.dim;
  const auto exact = static_cast<std::int64_t>(exact_blocks);
  const std::int64_t in_blocks =
      block_bytes(config, block_form(precision, form, /*exact=*/false)) * (config.num_layers - exact) +
      block_bytes(config, block_form(precision, form, /*exact=*/true)) * exact;
  const std::int64_t outside = d * config.in_dim * 4 + d + d * text_dim + d * d + 2 * d;
  const std::int64_t wide = d * config.freq_dim + d * d + 6 * d * d + 8 * d + 4 * config.out_dim * (d + 1) + 2 * d;
  return static_cast<std::uint64_t>(in_blocks + outside * number_bytes(precision) + wide * 4);
}

std::uint64_t dit_streamed_bytes(const DitConfig& config, Precision precision, WeightForm form, bool exact) {
  const std::int64_t d = config.dim;
  const BlockForm of_block = block_form(precision, form, exact);
  // Without keys and values of the text: a matrix of two parts, its bias and scales, and the norm of the keys.
  const std::int64_t matrix = 2 * d * d * (of_block.all_in_fp8 ? 1 : of_block.item);
  const std::int64_t text = matrix + 3 * d * of_block.item + (of_block.all_in_fp8 ? 2 * d * 4 : 0);
  return static_cast<std::uint64_t>(block_bytes(config, of_block) - text);
}

std::uint64_t dit_device_bytes(const DitConfig& config, std::int64_t text_dim, Precision precision, WeightForm form,
                               std::size_t exact_blocks, int streamed) {
  const std::uint64_t all = dit_weight_bytes(config, text_dim, precision, form, exact_blocks);
  if (streamed == 0) return all;
  const std::int64_t waiting = streamed * block_bytes(config, block_form(precision, form, /*exact=*/false));
  return all - static_cast<std::uint64_t>(waiting) + 2 * dit_streamed_bytes(config, precision, form, exact_blocks > 0);
}

std::uint64_t dit_work_bytes(const DitConfig& config, Precision precision, std::int64_t tokens, std::int64_t batch,
                             WeightForm form) {
  const std::int64_t d = config.dim, item = number_bytes(precision);
  // In exact: residual stream, joined q k v, rotated q and k, output. In reference, LibTorch's f32 operations keep two
  // planes more.
  const std::int64_t in_attention = d * (4 + 3 * item + 2 * item + item + (precision == Precision::reference ? 8 : 0));
  const std::int64_t in_ffn = d * (4 + item) + config.ffn_dim * item;
  const std::int64_t texts = 2 * config.num_layers * 2 * config.text_len * d * item;
  const std::int64_t table = tokens * d / config.num_heads * 4;
  const std::int64_t samples = 8 * tokens * config.in_dim * 4 * 4;  // x, guided and unguided velocities, solver
  const std::int64_t matrix =
      kept_form(precision, form) == WeightForm::fp8 ? d * std::max(3 * d, config.ffn_dim) * item : 0;
  return static_cast<std::uint64_t>(batch * tokens * std::max(in_attention, in_ffn) + texts + table + samples + matrix);
}

std::uint64_t recording_bytes(const DitConfig& config, std::int64_t tokens, std::int64_t rows, std::int64_t forwards) {
  constexpr std::int64_t features = 4 * 4;  // f32, and a token is a patch of 2 x 2
  constexpr std::int64_t workspaces = 64 << 20;
  return static_cast<std::uint64_t>(features * (tokens * config.in_dim + forwards * rows * config.out_dim) +
                                    workspaces);
}

}  // namespace wf
