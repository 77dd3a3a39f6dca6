// pipeline/kernels/heads_fp8.hpp: queries, keys and values in 8 bits, in a form whose attention is that of the
// originals.
#pragma once

#include <ATen/core/Tensor.h>

#include "pipeline/kernels/heads.hpp"

namespace wf {

/// q, k and v of an attention, rounded to F8_E4M3. All of a head share a scale, a power of 2; what is to be attended to
/// is q * q_scale, k * k_scale and v * v_scale. Three transformations before rounding leave attention as it is and make
/// its error smaller. From all keys one vector is subtracted, which moves all scores of a query by the same amount.
/// Queries and keys are rotated by one orthogonal matrix (rotate_heads()), which spreads channels that are much larger
/// than the others. From all values one vector is subtracted, and added to the result (add_mean()), because the weights
/// of a softmax sum up to 1: what values have in common is then neither rounded nor lost in sums over many keys. Both
/// vectors are means of some of the rows (fp8_format.hpp: sampled_row()): the result does not depend on them, and to
/// have the part that rows have in common, one of 16 is enough.
struct Fp8Heads {
  at::Tensor q, k, v;                    ///< [batch, heads, rows or keys, head_dim]
  at::Tensor q_scale, k_scale, v_scale;  ///< [batch, heads] f32
  at::Tensor k_mean,
      v_mean;  ///< [batch, heads, head_dim] f32: what was subtracted from k, before it was rotated, and v
};

/// q: [batch, heads, rows, head_dim]; k, v: [batch, heads, keys, head_dim]; f32 or bf16. A scale is the least power of
/// 2 that rules out values above 448: it is derived from the largest norm of a row of q or k, and from the largest
/// magnitude of v; that of k and v is doubled for the subtraction. A head with an infinity or NaN becomes NaN. On a
/// GPU, for bf16 and heads of 64, 128 or 256, it reads everything twice and makes no other copies.
Fp8Heads quantise_heads(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);
/// Its two halves, for queries that come in several parts: keys and values, where q and its scale are undefined, and
/// those together with queries.
Fp8Heads quantise_keys(const at::Tensor& k, const at::Tensor& v);
Fp8Heads with_queries(Fp8Heads keys, const at::Tensor& q);

// Keys and values of 8-bit heads as bytes, to be sent to another rank. sizes: [2, batch, keys, heads, head_dim].

/// quantise_keys() of kv, which has these sizes: [packed_numel(sizes)] u8. head_dim must be even.
at::Tensor pack_keys(const at::Tensor& kv);
std::int64_t packed_numel(at::IntArrayRef sizes);
/// What pack_keys() was given, as quantise_keys() returns it. Shares the memory of `packed`.
Fp8Heads unpack_keys(const at::Tensor& packed, at::IntArrayRef sizes);

/// quantise_heads() of what write_heads() makes of a joined projection z [batch, rows, 3d] f32 or bf16, without writing
/// that; angles as there. The scales of q and k follow from the largest norms that RMSNorm and its weights allow. On a
/// GPU, for bf16 and heads of 64, 128 or 256, it reads q once, k once, v twice, the samples of both once more, and
/// makes no other copies. Where a head has an infinity or NaN, its row becomes NaN.
Fp8Heads quantise_projection(const at::Tensor& z, const HeadNorms& norms, const at::Tensor& angles,
                             std::int64_t head_dim);

/// What the log-sum-exp of attention to `heads` lacks to be that of the original keys: the score of q with the
/// vector that was subtracted, [batch, heads, rows] f32.
at::Tensor subtracted_score(const at::Tensor& q, const Fp8Heads& heads);

/// x += mean for all rows of a head, computed in f32. x: [batch, heads, rows, head_dim] of any float dtype; mean:
/// [batch, heads, head_dim] f32. What attention to 8-bit heads lacks, with their v_mean.
void add_mean(const at::Tensor& x, const at::Tensor& mean);

/// x [..., head_dim] times the orthogonal Hadamard matrix of the largest power of 2 that divides head_dim, in f32; each
/// such part of a head is rotated for itself.
at::Tensor rotate_heads(const at::Tensor& x);

}  // namespace wf
