// pipeline/model/dit.hpp: one expert: latents, a timestep and a text become the velocity of the flow.
// Source: Wan 2.2 wan/modules/model.py (WanModel, t2v). d = dim, L = tokens, B = batch. In `exact`, rounding happens
// where the official code under bf16 autocast with bf16 weights rounds: GEMMs and attention in bf16, the residual
// stream, norms, modulation, time embedding and head in f32 (of bf16-rounded weights), the velocity rounded to bf16 at
// the end.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "parallel/attention.hpp"
#include "parallel/sequence_parallel.hpp"
#include "pipeline/model/rope.hpp"
#include "pipeline/types.hpp"
#include "pipeline/weights/checkpoint.hpp"
#include "pipeline/weights/dit_config.hpp"

namespace wf {

struct Linear {
  at::Tensor weight, bias;  ///< [out, in], [out]
};

struct DitBlock {
  at::Tensor modulation;                          ///< [6, d] f32: shift, scale, gate of self-attention, then of the FFN
  Linear qkv, out;                                ///< self-attention; q, k and v in one GEMM: [3d, d]
  at::Tensor norm_q, norm_k;                      ///< [d]
  at::Tensor cross_norm_weight, cross_norm_bias;  ///< [d] f32: the affine LayerNorm before cross-attention (norm3)
  Linear cross_q, cross_kv, cross_out;            ///< cross_kv: [2d, d]
  at::Tensor cross_norm_q, cross_norm_k;          ///< [d]
  Linear ffn_up, ffn_down;                        ///< [ffn_dim, d], [d, ffn_dim]
};

struct DitWeights {
  DitConfig config;
  std::int64_t text_dim = 0;
  Precision precision = Precision::reference;
  Linear patch_embedding;    ///< [d, in_dim * 4]: the input features of a token in the order (c, ph, pw)
  Linear text_in, text_out;  ///< [d, text_dim], [d, d]
  Linear time_in, time_out, time_projection;  ///< f32: [d, freq_dim], [d, d], [6d, d]
  std::vector<DitBlock> blocks;
  at::Tensor head_modulation;  ///< [2, d] f32: shift, scale
  Linear head;                 ///< f32 [4 * out_dim, d]: the output features of a token in the order (ph, pw, c)

  std::int64_t head_dim() const { return config.dim / config.num_heads; }
  at::Device device() const { return patch_embedding.weight.device(); }
  at::ScalarType dtype() const { return patch_embedding.weight.scalar_type(); }  ///< of GEMMs: f32 or bf16
};

/// Every tensor of the checkpoint is taken and checked. Throws environment naming file and tensor.
DitWeights load_dit(const Checkpoint& checkpoint, const DitConfig& config, Precision precision, at::Device device);

/// Every tensor of the weights, in a fixed order.
void for_each_tensor(DitWeights& weights, const std::function<void(at::Tensor&)>& visit);

/// The embedded time of one step: the same for all tokens, so it is computed once and not, as officially, per token.
struct TimeEmbedding {
  at::Tensor e;   ///< [B, d] f32: for the head
  at::Tensor e0;  ///< [B, 6, d] f32: for the blocks
};
TimeEmbedding embed_time(const DitWeights& weights, const std::vector<std::int64_t>& timesteps);

/// Keys and values of a text in every block: they do not change from step to step, so they are made once a clip.
/// The official code pads the embeddings with zero rows to text_len and attends to all of them. On a CPU the equal
/// padded keys are kept as one, whose score gets ln(their number) added: the same softmax with fewer keys.
struct TextContext {
  struct Block {
    at::Tensor k, v;  ///< [B, heads, keys, head_dim]
  };
  std::vector<Block> blocks;
  at::Tensor bias;  ///< [B, 1, 1, keys] f32, added to the scores; undefined: none
};
/// texts: B embeddings [n_i <= text_len, text_dim].
TextContext embed_text(const DitWeights& weights, const std::vector<at::Tensor>& texts);

/// x [B, in_dim, t, h, w] f32 -> velocity [B, out_dim, t, h, w] f32. rope: rope_table() of x's grid. time of batch 1 or
/// B.
/// With `ranks`, a collective: every rank of the group has the same x, computes its own rows of tokens, and gets the
/// whole velocity; `attention` is then what one rank computes.
at::Tensor dit_forward(const DitWeights& weights, const at::Tensor& x, const TimeEmbedding& time,
                       const TextContext& text, const at::Tensor& rope, const Attention& attention,
                       const SequenceGroup* ranks = nullptr);

/// The grid of tokens of latents [..., t, h, w].
TokenGrid token_grid(const at::Tensor& x);

// ---- The steps of a forward, for tests and for ranks that own a part of the rows ----

/// Latents to tokens, [B, L, in_dim * 4] f32, and tokens to latents.
at::Tensor patchify(const at::Tensor& x);
at::Tensor unpatchify(const at::Tensor& tokens, const TokenGrid& grid);
/// [B, L, in_dim * 4] -> [B, L, d] in the GEMMs' dtype.
at::Tensor embed_patches(const DitWeights& weights, const at::Tensor& patches);
/// Rows of text after the text MLP, [n, d]; of an empty text the one row that stands for padding.
at::Tensor embed_text_rows(const DitWeights& weights, const at::Tensor& text);
/// What self-attention, cross-attention and the FFN add to x [B, L, d] (before the gate). m: modulation + e0, [B, 6, d]
/// f32.
at::Tensor self_attention(const DitWeights& weights, const DitBlock& block, const at::Tensor& x, const at::Tensor& m,
                          const at::Tensor& rope, SequenceAttention& attention);
at::Tensor cross_attention(const DitWeights& weights, const DitBlock& block, const at::Tensor& x,
                           const TextContext::Block& text, const at::Tensor& bias);
at::Tensor feed_forward(const DitWeights& weights, const DitBlock& block, const at::Tensor& x, const at::Tensor& m);
/// The residual stream through one block; x may be changed in place.
at::Tensor run_block(const DitWeights& weights, const DitBlock& block, const at::Tensor& x, const at::Tensor& e0,
                     const TextContext::Block& text, const at::Tensor& bias, const at::Tensor& rope,
                     SequenceAttention& attention);
/// [B, L, d] -> [B, L, 4 * out_dim] f32.
at::Tensor run_head(const DitWeights& weights, const at::Tensor& x, const at::Tensor& e);

/// What an expert's weights take, in bytes.
std::uint64_t dit_weight_bytes(const DitConfig& config, std::int64_t text_dim, Precision precision);

/// What denoising one clip of so many tokens takes beside the weights, in bytes: the tensors alive at the widest point
/// of a forward of batch B (the residual stream, q, k, v and their mixture), keys and values of both texts, the rotary
/// table, and the solver's state.
std::uint64_t dit_work_bytes(const DitConfig& config, Precision precision, std::int64_t tokens, std::int64_t batch);

}  // namespace wf
