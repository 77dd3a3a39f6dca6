#include "pipeline/model/dit.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/watched_work.hpp"
#include "pipeline/kernels/attention.hpp"
#include "pipeline/kernels/heads.hpp"
#include "pipeline/kernels/norm.hpp"
#include "pipeline/kernels/operand.hpp"
#include "pipeline/kernels/widen.hpp"
#include "pipeline/model/block_stream.hpp"

namespace wf {
namespace {

/// The dtype that a layer takes its input in.
at::ScalarType input_dtype(const Linear& linear) {
  return linear.multiplies_in_fp8 ? at::kFloat8_e4m3fn : linear.bias.scalar_type();
}

at::Tensor apply(const Linear& linear, const Operand& x) {
  if (x.scale.defined()) return scaled_product(x, linear.weight, linear.scale, linear.bias);
  const at::ScalarType dtype = linear.bias.scalar_type();
  const at::Tensor weight = linear.scale.defined() ? widen(linear.weight, linear.scale, dtype) : linear.weight;
  return at::linear(x.values.to(dtype), weight, linear.bias);
}

/// [B, rows, d] to [B, rows, heads, head_dim].
at::Tensor split_heads(const at::Tensor& x, std::int64_t heads) {
  return x.view({x.size(0), x.size(1), heads, x.size(2) / heads});
}

/// [B, heads, rows, head_dim] to [B, rows, d].
at::Tensor join_heads(const at::Tensor& x) { return x.transpose(1, 2).flatten(2); }

/// Row i of [B, n, d] as [B, 1, d], which broadcasts over tokens.
at::Tensor row(const at::Tensor& m, std::int64_t i) { return m.narrow(1, i, 1); }

/// modulated_norm() of some rows of the stream, to which these rows of what is pending are added.
Operand modulated_norm_of(ResidualStream& stream, const Range& rows, const at::Tensor& shift, const at::Tensor& scale,
                          double eps, at::ScalarType result) {
  if (rows.size == stream.x.size(1))
    return modulated_norm(stream.x, std::exchange(stream.pending, {}), shift, scale, eps, result);
  at::Tensor some = stream.x.narrow(1, rows.begin, rows.size);
  Branch branch = stream.pending;
  if (branch.y.defined()) branch.y = branch.y.narrow(1, rows.begin, rows.size);
  return modulated_norm(some, branch, shift, scale, eps, result);
}

/// Where ranks exchange heads, the rows are projected in chunks: while one chunk travels to the other ranks, the next
/// one is computed, and only the last chunk's transfer is waited for. On a rank alone there is one chunk, and send()
/// does nothing.
void project_in_chunks(const DitWeights& weights, const DitBlock& block, ResidualStream& stream, const at::Tensor& m,
                       const at::Tensor& rope, SequenceAttention& attention) {
  const double eps = weights.config.eps;
  const HeadBlocks blocks = attention.begin(stream.x, weights.dtype(), weights.config.num_heads, weights.head_dim());
  for (const Range& rows : attention.chunks(stream.x.size(1))) {
    const Operand normed = modulated_norm_of(stream, rows, row(m, 0), row(m, 1), eps, input_dtype(block.qkv));
    write_heads(apply(block.qkv, normed), {block.norm_q, block.norm_k, eps}, rope.narrow(0, rows.begin, rows.size),
                blocks, rows.begin);
    attention.send();
  }
  stream.pending = {};
}

/// How many times longer it takes to make q, k and v of a row than to send them, rounded: by the published sizes on
/// H200s of one machine, where products of 8-bit numbers are twice as fast.
int chunk_ratio(bool projects_in_fp8) { return projects_in_fp8 ? 2 : 3; }

SequenceAttention over_sequence(const Attention& local, std::int64_t tokens, const SequenceGroup* ranks, int ratio) {
  return ranks ? SequenceAttention(*ranks, tokens, local, ratio) : SequenceAttention(local);
}

/// The projection of all rows, its heads in 8 bits.
Fp8Heads project_to_fp8(const DitWeights& weights, const DitBlock& block, ResidualStream& stream, const at::Tensor& m,
                        const at::Tensor& rope) {
  const double eps = weights.config.eps;
  const Operand normed =
      modulated_norm(stream.x, std::exchange(stream.pending, {}), row(m, 0), row(m, 1), eps, input_dtype(block.qkv));
  return quantise_projection(apply(block.qkv, normed), {block.norm_q, block.norm_k, eps}, rope, weights.head_dim());
}

/// Cosines, then sines, of t w_i with w_i = 10000^(-i/half), computed in double: [B, freq_dim] f32. In plain loops,
/// because LibTorch's functions of doubles wake threads, which keeps a GPU waiting for up to ten milliseconds a step.
at::Tensor sinusoid(const std::vector<double>& timesteps, std::int64_t freq_dim, at::Device device) {
  const std::int64_t half = freq_dim / 2;
  const at::Tensor waves = at::empty({std::ssize(timesteps), 2 * half}, at::kFloat);
  float* to = waves.mutable_data_ptr<float>();
  for (const double timestep : timesteps) {
    for (std::int64_t i = 0; i < half; ++i) {
      const double angle = timestep * std::pow(10000.0, static_cast<double>(i) / static_cast<double>(-half));
      to[i] = static_cast<float>(std::cos(angle));
      to[half + i] = static_cast<float>(std::sin(angle));
    }
    to += 2 * half;
  }
  return waves.to(device);
}

/// The texts of a batch, padded to one number of keys.
struct PaddedRows {
  at::Tensor rows;  ///< [B, keys, d], after the text MLP
  at::Tensor bias;  ///< [B, 1, 1, keys], as TextContext::bias
};

/// Pads every text with zeros to text_len rows, as the official code does.
PaddedRows pad_fully(const DitWeights& weights, const std::vector<at::Tensor>& texts) {
  std::vector<at::Tensor> rows;
  for (const at::Tensor& text : texts)
    rows.push_back(
        embed_text_rows(weights, at::constant_pad_nd(text, {0, 0, 0, weights.config.text_len - text.size(0)})));
  return {at::stack(rows), {}};
}

/// Appends to every text one row that stands for all rows of padding. In a batch, the shorter texts are filled up with
/// rows whose bias, -inf, excludes them from the softmax.
PaddedRows pad_once(const DitWeights& weights, const std::vector<at::Tensor>& texts) {
  std::int64_t keys = 0;
  for (const at::Tensor& text : texts) keys = std::max(keys, text.size(0) + 1);
  const at::Tensor padding = embed_text_rows(weights, at::zeros({1, weights.text_dim}, texts[0].options()));
  std::vector<at::Tensor> rows;
  const auto batch = static_cast<std::int64_t>(texts.size());
  const at::Tensor bias = at::zeros({batch, 1, 1, keys}, at::kFloat);
  for (std::int64_t i = 0; i < batch; ++i) {
    const at::Tensor& text = texts[static_cast<std::size_t>(i)];
    const std::int64_t n = text.size(0);
    rows.push_back(at::cat({embed_text_rows(weights, text), padding.expand({keys - n, -1})}));
    bias[i].narrow(-1, n, 1).fill_(std::log(static_cast<double>(weights.config.text_len - n)));  // -inf for a full text
    bias[i].narrow(-1, n + 1, keys - n - 1).fill_(-std::numeric_limits<float>::infinity());
  }
  return {at::stack(rows), bias.to(weights.device())};
}

/// The layer on the device, to which it is copied if it waits in host memory.
Linear brought(const Linear& layer, at::Device device) {
  const auto there = [&](const at::Tensor& tensor) { return tensor.defined() ? tensor.to(device) : tensor; };
  return {there(layer.weight), there(layer.bias), there(layer.scale), layer.multiplies_in_fp8};
}

}  // namespace

// ---- Latents and tokens ----

TokenGrid token_grid(const at::Tensor& x) { return {x.size(-3), x.size(-2) / 2, x.size(-1) / 2}; }

at::Tensor patchify(const at::Tensor& x) {
  const TokenGrid grid = token_grid(x);
  const at::Tensor parts = x.view({x.size(0), x.size(1), grid.frames, grid.rows, 2, grid.columns, 2});
  return parts.permute({0, 2, 3, 5, 1, 4, 6}).reshape({x.size(0), grid.tokens(), x.size(1) * 4});
}

at::Tensor unpatchify(const at::Tensor& tokens, const TokenGrid& grid) {
  const std::int64_t batch = tokens.size(0), channels = tokens.size(2) / 4;
  const at::Tensor parts = tokens.reshape({batch, grid.frames, grid.rows, grid.columns, 2, 2, channels});
  return parts.permute({0, 6, 1, 2, 4, 3, 5}).reshape({batch, channels, grid.frames, grid.rows * 2, grid.columns * 2});
}

at::Tensor embed_patches(const DitWeights& weights, const at::Tensor& patches) {
  return apply(weights.patch_embedding, patches);
}

// ---- Time and text ----

TimeEmbedding embed_time(const DitWeights& weights, const std::vector<double>& timesteps) {
  const at::Tensor wave = sinusoid(timesteps, weights.config.freq_dim, weights.device());
  const at::Tensor e = apply(weights.time_out, at::silu(apply(weights.time_in, wave)));
  const at::Tensor e0 = apply(weights.time_projection, at::silu(e));
  return {e, e0.view({e.size(0), 6, weights.config.dim})};
}

at::Tensor embed_text_rows(const DitWeights& weights, const at::Tensor& text) {
  return apply(weights.text_out, at::gelu(apply(weights.text_in, text), "tanh"));
}

TextContext embed_text(const DitWeights& weights, const std::vector<at::Tensor>& texts) {
  const auto [rows, bias] = weights.device().is_cpu() ? pad_once(weights, texts) : pad_fully(weights, texts);
  TextContext context;
  context.bias = bias;
  for (const DitBlock& block : weights.blocks) {
    const std::vector<at::Tensor> kv = apply(brought(block.cross_kv, weights.device()), rows).chunk(2, -1);
    const at::Tensor k = rms_norm(kv[0], block.cross_norm_k.to(weights.device()), weights.config.eps);
    context.blocks.push_back({split_heads(k, weights.config.num_heads).transpose(1, 2).contiguous(),
                              split_heads(kv[1], weights.config.num_heads).transpose(1, 2).contiguous()});
  }
  return context;
}

// ---- A block ----

at::Tensor ResidualStream::sum() const { return pending.y.defined() ? add_gated(x, pending.y, pending.gate) : x; }

BlockAttention::BlockAttention(const SelfAttention& attention, std::int64_t tokens, const SequenceGroup* ranks,
                               bool projects_in_fp8)
    : of_rows(over_sequence(attention.of_rows, tokens, ranks, chunk_ratio(projects_in_fp8))),
      exact(over_sequence(attention.exactly().of_rows, tokens, ranks, chunk_ratio(false))) {
  if (!ranks || ranks->size() == 1) of_fp8_heads = attention.of_fp8_heads;
}

at::Tensor self_attention(const DitWeights& weights, const DitBlock& block, ResidualStream& stream, const at::Tensor& m,
                          const at::Tensor& rope, BlockAttention& attention) {
  at::Tensor mixed;  // [B, rows, heads, head_dim]
  if (attention.of_fp8_heads && !block.is_exact) {
    mixed = attention.of_fp8_heads(project_to_fp8(weights, block, stream, m, rope)).transpose(1, 2);
  } else {
    SequenceAttention& of_rows = block.is_exact ? attention.exact : attention.of_rows;
    project_in_chunks(weights, block, stream, m, rope, of_rows);
    mixed = of_rows.mix();
  }
  return apply(block.out, as_operand(mixed.flatten(2), input_dtype(block.out)));
}

at::Tensor cross_attention(const DitWeights& weights, const DitBlock& block, ResidualStream& stream,
                           const TextContext::Block& text, const at::Tensor& bias) {
  const double eps = weights.config.eps;
  const Operand z = affine_norm(stream.x, std::exchange(stream.pending, {}), block.cross_norm_weight,
                                block.cross_norm_bias, eps, input_dtype(block.cross_q));
  const at::Tensor q = rms_norm(apply(block.cross_q, z), block.cross_norm_q, eps);
  const at::Tensor q_heads = split_heads(q, weights.config.num_heads).transpose(1, 2);
  const at::Tensor mixed = join_heads(biased_attention(q_heads, text.k, text.v, bias));
  return apply(block.cross_out, as_operand(mixed, input_dtype(block.cross_out)));
}

at::Tensor feed_forward(const DitWeights& weights, const DitBlock& block, ResidualStream& stream, const at::Tensor& m) {
  const Operand normed = modulated_norm(stream.x, std::exchange(stream.pending, {}), row(m, 3), row(m, 4),
                                        weights.config.eps, input_dtype(block.ffn_up));
  return apply(block.ffn_down, gelu(apply(block.ffn_up, normed), input_dtype(block.ffn_down)));
}

void run_block(const DitWeights& weights, const DitBlock& block, ResidualStream& stream, const at::Tensor& e0,
               const TextContext::Block& text, const at::Tensor& bias, const at::Tensor& rope,
               BlockAttention& attention) {
  const at::Tensor m = block.modulation + e0;
  stream.pending = {self_attention(weights, block, stream, m, rope, attention), row(m, 2)};
  stream.pending = {cross_attention(weights, block, stream, text, bias), /*gate=*/{}};
  stream.pending = {feed_forward(weights, block, stream, m), row(m, 5)};
}

at::Tensor run_head(const DitWeights& weights, const at::Tensor& x, const at::Tensor& e) {
  const at::Tensor m = weights.head_modulation + e.unsqueeze(1);  // e, not e0
  at::Tensor stream = x;
  return apply(weights.head, modulated_norm(stream, {}, row(m, 0), row(m, 1), weights.config.eps, at::kFloat));
}

// ---- The whole ----

namespace {

Range own_rows(std::int64_t tokens, const SequenceGroup* ranks) {
  return ranks ? ranks->own_rows(tokens) : Range{0, tokens};
}

/// The residual stream before the blocks.
at::Tensor embed_rows(const DitWeights& weights, const at::Tensor& x, const Range& rows) {
  return embed_patches(weights, patchify(x).narrow(1, rows.begin, rows.size));
}

}  // namespace

at::Tensor forward_rows(const DitWeights& weights, const at::Tensor& x, const TimeEmbedding& time,
                        const TextContext& text, const at::Tensor& rope, const SelfAttention& attention,
                        const SequenceGroup* ranks, at::Tensor* residual) {
  const std::int64_t tokens = token_grid(x).tokens();
  const Range rows = own_rows(tokens, ranks);
  const bool projects_in_fp8 =
      std::ranges::any_of(weights.blocks, [](const DitBlock& block) { return block.qkv.multiplies_in_fp8; });
  BlockAttention block_attention(attention, tokens, ranks, projects_in_fp8);
  const at::Tensor own_rope = rope.narrow(0, rows.begin, rows.size);
  ResidualStream stream{embed_rows(weights, x, rows)};
  for (std::size_t i = 0; i < weights.blocks.size(); ++i) {
    const bool waits = weights.stream && weights.stream->waits(i);
    const DitBlock arrived = waits ? weights.stream->arrive(i, weights.blocks[i]) : DitBlock();
    run_block(weights, waits ? arrived : weights.blocks[i], stream, time.e0, text.blocks[i], text.bias, own_rope,
              block_attention);
    mark_progress();  // on a CPU a step may take minutes
  }
  const at::Tensor sum = stream.sum();
  // Embedded anew, because the blocks may have written over the stream, and a copy would take memory all the while.
  if (residual) *residual = at::sub(sum, embed_rows(weights, x, rows)).to(weights.dtype());
  return run_head(weights, sum, time.e);
}

at::Tensor forward_rows_from(const at::Tensor& residual, const DitWeights& weights, const at::Tensor& x,
                             const TimeEmbedding& time, const SequenceGroup* ranks) {
  const Range rows = own_rows(token_grid(x).tokens(), ranks);
  return run_head(weights, embed_rows(weights, x, rows).to(at::kFloat) + residual, time.e);
}

at::Tensor join_rows(const at::Tensor& rows, const TokenGrid& grid, Precision precision, const SequenceGroup* ranks) {
  const at::Tensor velocity = unpatchify(ranks ? ranks->gather(rows, grid.tokens()) : rows, grid);
  // Autocast computes the official code's last operation, an einsum, in bf16. Without it a copy is made, because the
  // next replay of a recorded forward writes to the same rows, and a clip of one token is a view of them.
  return precision != Precision::reference ? velocity.to(at::kBFloat16).to(at::kFloat) : velocity.clone();
}

at::Tensor dit_forward(const DitWeights& weights, const at::Tensor& x, const TimeEmbedding& time,
                       const TextContext& text, const at::Tensor& rope, const SelfAttention& attention,
                       const SequenceGroup* ranks) {
  const at::Tensor rows = forward_rows(weights, x, time, text, rope, attention, ranks);
  return join_rows(rows, token_grid(x), weights.precision, ranks);
}

}  // namespace wf
