// pipeline/model/dit.hpp: one expert, a diffusion transformer: latents, a timestep and a text become the velocity of
// the flow. Source: WanModel (t2v) in Wan 2.2's wan/modules/model.py. Below, d = dim, L = tokens, B = batch.
//
// In `exact`, values are rounded where the official code rounds them under bf16 autocast with bf16 weights: GEMMs and
// attention are bf16; the residual stream, norms, modulation, time embedding and head are f32 (of weights rounded to
// bf16); the velocity is rounded to bf16 at the end. The precisions with products in 8 bits differ from it in these
// products alone: their inputs are rounded to 8 bits instead of bf16, row by row (operand.hpp).
//
// Functions run under the caller's c10::InferenceMode, and on the device of the weights. Shapes are not checked again:
// load_dit() checks those of the weights, and the sizes of a job are checked when it is read.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "parallel/sequence_parallel.hpp"
#include "pipeline/exact_blocks.hpp"
#include "pipeline/kernels/attention.hpp"
#include "pipeline/kernels/norm.hpp"
#include "pipeline/model/rope.hpp"
#include "pipeline/types.hpp"
#include "pipeline/weights/dit_config.hpp"
#include "pipeline/weights/network_weights.hpp"

namespace wf {

/// A linear layer with bias. Its matrix may be kept in 8 bits, F8_E4M3 or F8_E5M2; it then stands for weight * scale.
/// Products either widen it for themselves to the dtype of the bias, or take their input in 8 bits as well.
struct Linear {
  at::Tensor weight, bias;         ///< [out, in], [out]
  at::Tensor scale = {};           ///< [out] f32 of a weight in 8 bits; else undefined
  bool multiplies_in_fp8 = false;  ///< The input is rounded to 8 bits; the weight is in F8_E4M3.
};

/// One transformer block. Tensors without a stated dtype have the GEMMs' one.
struct DitBlock {
  at::Tensor modulation;                          ///< [6, d] f32: shift, scale, gate of self-attention, then of the FFN
  Linear qkv, out;                                ///< self-attention; q, k and v in one GEMM: [3d, d]
  at::Tensor norm_q, norm_k;                      ///< [d]
  at::Tensor cross_norm_weight, cross_norm_bias;  ///< [d] f32: the affine LayerNorm before cross-attention (norm3)
  Linear cross_q, cross_kv, cross_out;            ///< cross_kv: [2d, d]
  at::Tensor cross_norm_q, cross_norm_k;          ///< [d]
  Linear ffn_up, ffn_down;                        ///< [ffn_dim, d], [d, ffn_dim]
  bool is_exact = false;  ///< Has no products of 8-bit numbers in any precision: neither here nor in self-attention.
};

class BlockStream;

/// All weights of an expert.
struct DitWeights {
  DitConfig config;
  std::int64_t text_dim = 0;
  Precision precision = Precision::reference;
  Linear patch_embedding;    ///< [d, in_dim * 4]: the input features of a token in the order (c, ph, pw)
  Linear text_in, text_out;  ///< [d, text_dim], [d, d]
  Linear time_in, time_out, time_projection;  ///< f32: [d, freq_dim], [d, d], [6d, d]
  std::vector<DitBlock> blocks;
  at::Tensor head_modulation;      ///< [2, d] f32: shift, scale
  bool is_rounded_to_fp8 = false;  ///< Some matrix is in 8 bits though its file has it in more, or a LoRA changed it.
  Linear head;                     ///< f32 [4 * out_dim, d]: the output features of a token in the order (ph, pw, c)
  /// Brings the blocks that wait in host memory to the device, one after another; null: all are there.
  std::shared_ptr<BlockStream> stream = {};

  std::int64_t head_dim() const { return config.dim / config.num_heads; }
  at::Device device() const { return patch_embedding.weight.device(); }
  at::ScalarType dtype() const { return patch_embedding.weight.scalar_type(); }  ///< of the GEMMs: f32 or bf16
};

/// The form in which an expert is kept of which `form` was asked for. Where nearly all matrices are multiplied in 8
/// bits, the others, which are used once per clip, are kept in 8 bits as well.
WeightForm kept_form(Precision precision, WeightForm form);

/// What becomes of a block of an expert once it is loaded: it may put its tensors elsewhere. number: the block's, from
/// 0. Blocks come in their order, and again from the first one where they had to be loaded a second time.
using SettleBlock = std::function<void(std::size_t number, DitBlock& block)>;

/// Loads an expert onto `device`; on the device `meta` it has shapes but no data. kept_form() says which matrices of
/// the blocks stay in 8 bits. Those of the exact blocks, which the expert must have, are never rounded: they are as in
/// `exact`, and in 8 bits only where their file has them so and WeightForm::as_stored keeps it. Throws environment
/// naming file and tensor where one is missing, has a shape that does not fit `config`, or is no part of an expert.
/// settle: may be empty.
DitWeights load_dit(const NetworkWeights& files, const DitConfig& config, Precision precision, at::Device device,
                    WeightForm form = WeightForm::as_computed, const BlockNumbers& exact_blocks = {},
                    const SettleBlock& settle = {});

/// The same expert with products of 8-bit numbers replaced by exact ones, for steps that are not to be rounded. Shares
/// all tensors: matrices in 8 bits are widened for each product.
DitWeights with_exact_products(DitWeights weights);

/// The same expert with all matrices in the dtype of its products. Those in 8 bits that are multiplied otherwise are
/// widened one after another, each once `fetch` has brought it to the device; so besides the result one matrix of them
/// is alive at a time.
DitWeights widened(DitWeights weights, const std::function<at::Tensor(const at::Tensor&)>& fetch);

/// Calls `visit` for every tensor of a block, or of the weights, each once and always in the same order.
void for_each_tensor(DitBlock& block, const std::function<void(at::Tensor&)>& visit);
void for_each_tensor(DitWeights& weights, const std::function<void(at::Tensor&)>& visit);

/// The embedding of a step's timestep. It is the same for all tokens and computed once; the official code computes it
/// per token.
struct TimeEmbedding {
  at::Tensor e;   ///< [B, d] f32, for the head
  at::Tensor e0;  ///< [B, 6, d] f32, for the blocks
};
/// Embeds B timesteps, numbers from 0 to 1000.
TimeEmbedding embed_time(const DitWeights& weights, const std::vector<double>& timesteps);

/// Keys and values of the texts for the cross-attention of every block. They do not depend on the step, so they are
/// computed once per clip and expert. The official code pads the embeddings with zero rows to text_len and attends to
/// all of them. On a CPU the padded keys, which are all equal, are kept as one key, to whose score ln(their number) is
/// added: the same softmax over fewer keys.
struct TextContext {
  struct Block {
    at::Tensor k, v;  ///< [B, heads, keys, head_dim]
  };
  std::vector<Block> blocks;
  at::Tensor bias;  ///< [B, 1, 1, keys] f32, added to the scores; undefined where nothing is added
};
/// Computes the context of B texts, embeddings of [n_i <= text_len, text_dim] on the weights' device.
TextContext embed_text(const DitWeights& weights, const std::vector<at::Tensor>& texts);

/// One forward: x [B, in_dim, t, h, w] f32 to the velocity [B, out_dim, t, h, w] f32. `time` has batch 1 or B; `rope`
/// is rope_table() of x's token grid. With `ranks` it is collective: every rank of the group passes the same arguments,
/// computes its own rows of tokens and gets the whole velocity; `attention` is then the part of a single rank, and must
/// return its lse where the group has a ring.
at::Tensor dit_forward(const DitWeights& weights, const at::Tensor& x, const TimeEmbedding& time,
                       const TextContext& text, const at::Tensor& rope, const SelfAttention& attention,
                       const SequenceGroup* ranks = nullptr);

// The two parts of dit_forward(): the work of a rank, which can be recorded and replayed, and what ranks share after
// it.

/// The velocity as this rank's rows of tokens, [B, own L, 4 * out_dim] f32. `residual`, where it is not null, becomes
/// what all blocks together add to the residual stream: [B, own L, d], f32 in the precision reference, else bf16.
at::Tensor forward_rows(const DitWeights& weights, const at::Tensor& x, const TimeEmbedding& time,
                        const TextContext& text, const at::Tensor& rope, const SelfAttention& attention,
                        const SequenceGroup* ranks = nullptr, at::Tensor* residual = nullptr);
/// The same rows without computing the blocks: `residual`, of the forward of an earlier step, stands for what they add.
at::Tensor forward_rows_from(const at::Tensor& residual, const DitWeights& weights, const at::Tensor& x,
                             const TimeEmbedding& time, const SequenceGroup* ranks = nullptr);
/// The velocity of which every rank passes its rows.
at::Tensor join_rows(const at::Tensor& rows, const TokenGrid& grid, Precision precision,
                     const SequenceGroup* ranks = nullptr);

/// The token grid of latents [..., t, h, w]: t x h/2 x w/2.
TokenGrid token_grid(const at::Tensor& x);

// ---- The steps of a forward, for tests. L may be some of the tokens, those that a rank owns. ----

/// Latents [B, in_dim, t, h, w] to tokens [B, L, in_dim * 4], the features of a token in the order (c, ph, pw).
at::Tensor patchify(const at::Tensor& x);
/// Tokens [B, L, out_dim * 4] to latents [B, out_dim, t, h, w], the features of a token in the order (ph, pw, c).
at::Tensor unpatchify(const at::Tensor& tokens, const TokenGrid& grid);
/// [B, L, in_dim * 4] to [B, L, d] in the GEMMs' dtype.
at::Tensor embed_patches(const DitWeights& weights, const at::Tensor& patches);
/// The text MLP: embeddings [n, text_dim] to [n, d] in the GEMMs' dtype. A row of zeros becomes a row of padding.
at::Tensor embed_text_rows(const DitWeights& weights, const at::Tensor& text);

/// The residual stream between two branches of a block. What the last one adds is added when the next one norms the
/// stream, so that both are one pass over memory.
struct ResidualStream {
  at::Tensor x;         ///< [B, L, d] f32, or before anything was added in the GEMMs' dtype; may be overwritten
  Branch pending = {};  ///< is yet to be added to x

  /// The stream with all that was added to it; x may be overwritten.
  at::Tensor sum() const;
};

// The three branches of a block: what each adds to the residual stream, before the gate, in the GEMMs' dtype. What was
// pending is added. m: the block's modulation plus e0, [B, 6, d] f32.

/// The self-attention of all blocks of a forward.
struct BlockAttention {
  SequenceAttention of_rows, exact;  ///< of most blocks, and of those that are exact
  HeadsAttention of_fp8_heads = {};  ///< is set on a rank that has all rows, where they are attended to in 8 bits

  /// For a rank that has all `tokens` rows, or some with `ranks`. projects_in_fp8: whether most blocks make q, k and v
  /// by products of 8-bit numbers.
  BlockAttention(const SelfAttention& attention, std::int64_t tokens, const SequenceGroup* ranks = nullptr,
                 bool projects_in_fp8 = false);
};

/// Self-attention. Where ranks share the sequence, collective over them; `rope` has the rows of x.
at::Tensor self_attention(const DitWeights& weights, const DitBlock& block, ResidualStream& stream, const at::Tensor& m,
                          const at::Tensor& rope, BlockAttention& attention);
/// Cross-attention to the text; `bias` is TextContext::bias.
at::Tensor cross_attention(const DitWeights& weights, const DitBlock& block, ResidualStream& stream,
                           const TextContext::Block& text, const at::Tensor& bias);
/// The feed-forward network.
at::Tensor feed_forward(const DitWeights& weights, const DitBlock& block, ResidualStream& stream, const at::Tensor& m);
/// Runs one block; its last branch is pending then.
void run_block(const DitWeights& weights, const DitBlock& block, ResidualStream& stream, const at::Tensor& e0,
               const TextContext::Block& text, const at::Tensor& bias, const at::Tensor& rope,
               BlockAttention& attention);
/// The head: the residual stream [B, L, d] to tokens [B, L, 4 * out_dim] f32. e is TimeEmbedding::e.
at::Tensor run_head(const DitWeights& weights, const at::Tensor& x, const at::Tensor& e);

/// Bytes of the weights of an expert with so many exact blocks. WeightForm::as_stored counts as as_computed: what it
/// takes on a device once widened.
std::uint64_t dit_weight_bytes(const DitConfig& config, std::int64_t text_dim, Precision precision,
                               WeightForm form = WeightForm::as_computed, std::size_t exact_blocks = 0);

/// The part of them that is on the device where `streamed` blocks wait in host memory: all other blocks, two places
/// that those travel to, and what is no block. Waiting blocks count as blocks that are not exact, which are the smaller
/// ones.
std::uint64_t dit_device_bytes(const DitConfig& config, std::int64_t text_dim, Precision precision, WeightForm form,
                               std::size_t exact_blocks, int streamed);

/// Bytes that a block which waits in host memory copies to the device for a forward.
std::uint64_t dit_streamed_bytes(const DitConfig& config, Precision precision, WeightForm form, bool exact = false);

/// Bytes that denoising a clip of `tokens` tokens on one rank takes in addition to the weights: the tensors alive at
/// the widest point of a forward of this batch (the residual stream, q, k, v and the output of attention), keys and
/// values of both texts, the rotary table, the solver's state, and the largest matrix widened from 8 bits.
std::uint64_t dit_work_bytes(const DitConfig& config, Precision precision, std::int64_t tokens, std::int64_t batch,
                             WeightForm form = WeightForm::as_computed);

/// Bytes that it takes in addition to record the `forwards` of a step over `tokens` tokens, of which a rank has `rows`:
/// inputs and results that a replay finds in their place, and the workspaces of libraries for recorded work.
std::uint64_t recording_bytes(const DitConfig& config, std::int64_t tokens, std::int64_t rows, std::int64_t forwards);

}  // namespace wf
