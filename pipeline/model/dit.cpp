#include "pipeline/model/dit.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/watched_work.hpp"
#include "pipeline/kernels/attention.hpp"
#include "pipeline/kernels/heads.hpp"
#include "pipeline/kernels/norm.hpp"
#include "pipeline/kernels/widen.hpp"

namespace wf {
namespace {

at::Tensor apply(const Linear& linear, const at::Tensor& x) {
  const at::ScalarType dtype = linear.bias.scalar_type();
  const at::Tensor weight = linear.scale.defined() ? widen(linear.weight, linear.scale, dtype) : linear.weight;
  return at::linear(x.to(dtype), weight, linear.bias);
}

/// [B, rows, d] to [B, rows, heads, head_dim].
at::Tensor split_heads(const at::Tensor& x, std::int64_t heads) {
  return x.view({x.size(0), x.size(1), heads, x.size(2) / heads});
}

/// [B, heads, rows, head_dim] to [B, rows, d].
at::Tensor join_heads(const at::Tensor& x) { return x.transpose(1, 2).flatten(2); }

/// Row i of [B, n, d] as [B, 1, d], which broadcasts over tokens.
at::Tensor row(const at::Tensor& m, std::int64_t i) { return m.narrow(1, i, 1); }

/// Cosines, then sines, of t w_i with w_i = 10000^(-i/half), computed in double: [B, freq_dim] f32.
at::Tensor sinusoid(const std::vector<double>& timesteps, std::int64_t freq_dim, at::Device device) {
  const std::int64_t half = freq_dim / 2;
  const at::Tensor exponent = at::arange(half, at::kDouble) / static_cast<double>(-half);
  const at::Tensor angles = at::outer(at::tensor(timesteps, at::kDouble), at::pow(10000.0, exponent));
  return at::cat({angles.cos(), angles.sin()}, 1).to(at::kFloat).to(device);
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
    const std::vector<at::Tensor> kv = apply(block.cross_kv, rows).chunk(2, -1);
    const at::Tensor k = rms_norm(kv[0], block.cross_norm_k, weights.config.eps);
    context.blocks.push_back({split_heads(k, weights.config.num_heads).transpose(1, 2).contiguous(),
                              split_heads(kv[1], weights.config.num_heads).transpose(1, 2).contiguous()});
  }
  return context;
}

// ---- A block ----

at::Tensor self_attention(const DitWeights& weights, const DitBlock& block, const at::Tensor& x, const at::Tensor& m,
                          const at::Tensor& rope, SequenceAttention& attention) {
  const double eps = weights.config.eps;
  // Where ranks exchange heads, the rows are projected in chunks: while one chunk travels to the other ranks, the next
  // one is computed, and only the last chunk's transfer is waited for. On a rank alone there is one chunk, and send()
  // does nothing.
  {  // The scope frees what attention does not need.
    const HeadBlocks blocks = attention.begin(x, weights.dtype(), weights.config.num_heads, weights.head_dim());
    for (const Range& rows : attention.chunks(x.size(1))) {
      const at::Tensor chunk = x.narrow(1, rows.begin, rows.size);
      const at::Tensor normed = modulated_norm(chunk, row(m, 0), row(m, 1), eps, weights.dtype());
      write_heads(apply(block.qkv, normed), {block.norm_q, block.norm_k, eps}, rope.narrow(0, rows.begin, rows.size),
                  blocks, rows.begin);
      attention.send();
    }
  }
  return apply(block.out, attention.mix().flatten(2));
}

at::Tensor cross_attention(const DitWeights& weights, const DitBlock& block, const at::Tensor& x,
                           const TextContext::Block& text, const at::Tensor& bias) {
  const double eps = weights.config.eps;
  const at::Tensor z = affine_norm(x, block.cross_norm_weight, block.cross_norm_bias, eps, weights.dtype());
  const at::Tensor q = rms_norm(apply(block.cross_q, z), block.cross_norm_q, eps);
  const at::Tensor q_heads = split_heads(q, weights.config.num_heads).transpose(1, 2);
  return apply(block.cross_out, join_heads(biased_attention(q_heads, text.k, text.v, bias)));
}

at::Tensor feed_forward(const DitWeights& weights, const DitBlock& block, const at::Tensor& x, const at::Tensor& m) {
  at::Tensor inner = apply(block.ffn_up, modulated_norm(x, row(m, 3), row(m, 4), weights.config.eps, weights.dtype()));
  return apply(block.ffn_down, at::gelu_(inner, "tanh"));
}

at::Tensor run_block(const DitWeights& weights, const DitBlock& block, const at::Tensor& x, const at::Tensor& e0,
                     const TextContext::Block& text, const at::Tensor& bias, const at::Tensor& rope,
                     SequenceAttention& attention) {
  const at::Tensor m = block.modulation + e0;
  at::Tensor stream = add_gated(x, self_attention(weights, block, x, m, rope, attention), row(m, 2));
  stream = add_gated(stream, cross_attention(weights, block, stream, text, bias), /*gate=*/{});
  return add_gated(stream, feed_forward(weights, block, stream, m), row(m, 5));
}

at::Tensor run_head(const DitWeights& weights, const at::Tensor& x, const at::Tensor& e) {
  const at::Tensor m = weights.head_modulation + e.unsqueeze(1);  // e, not e0
  return apply(weights.head, modulated_norm(x, row(m, 0), row(m, 1), weights.config.eps, at::kFloat));
}

// ---- The whole ----

at::Tensor dit_forward(const DitWeights& weights, const at::Tensor& x, const TimeEmbedding& time,
                       const TextContext& text, const at::Tensor& rope, const Attention& attention,
                       const SequenceGroup* ranks) {
  const TokenGrid grid = token_grid(x);
  const Range rows = ranks ? ranks->own_rows(grid.tokens()) : Range{0, grid.tokens()};
  SequenceAttention sequence_attention =
      ranks ? SequenceAttention(*ranks, grid.tokens(), attention) : SequenceAttention(attention);
  const at::Tensor own_rope = rope.narrow(0, rows.begin, rows.size);
  at::Tensor stream = embed_patches(weights, patchify(x).narrow(1, rows.begin, rows.size));
  for (std::size_t i = 0; i < weights.blocks.size(); ++i) {
    stream =
        run_block(weights, weights.blocks[i], stream, time.e0, text.blocks[i], text.bias, own_rope, sequence_attention);
    mark_progress();  // on a CPU a step may take minutes
  }
  const at::Tensor tokens = run_head(weights, stream, time.e);
  const at::Tensor velocity = unpatchify(ranks ? ranks->gather(tokens, grid.tokens()) : tokens, grid);
  // Autocast computes the official code's last operation, an einsum, in bf16.
  return weights.precision == Precision::exact ? velocity.to(at::kBFloat16).to(at::kFloat) : velocity;
}

}  // namespace wf
