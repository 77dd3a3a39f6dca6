// pipeline/kernels/heads_fp8.hpp: queries, keys and values in 8 bits, in a form whose attention is that of the
// originals.
#pragma once

#include <ATen/core/Tensor.h>

#include "pipeline/kernels/heads.hpp"

namespace wf {

/// q, k and v of an attention, rounded to F8_E4M3. All of a head share a scale, a power of 2; what is to be attended to
/// is q * q_scale, k * k_scale and v * v_scale. Two transformations before rounding leave attention as it is and make
/// its error smaller: from the keys their mean over all rows is subtracted, which moves all scores of a query by the
/// same amount; and queries and keys are rotated by one orthogonal matrix (rotate_heads()), which spreads channels that
/// are much larger than the others.
struct Fp8Heads {
  at::Tensor q, k, v;                    ///< [batch, heads, rows or keys, head_dim]
  at::Tensor q_scale, k_scale, v_scale;  ///< [batch, heads] f32
  at::Tensor k_mean;                     ///< [batch, heads, head_dim] f32: what was subtracted, before the rotation
};

/// q: [batch, heads, rows, head_dim]; k, v: [batch, heads, keys, head_dim]; f32 or bf16. A scale is the least power of
/// 2 that rules out values above 448: it is derived from the largest norm of a row of q or k, and from the largest
/// magnitude of v. A head with an infinity or NaN becomes NaN. On a GPU, for bf16 and heads of 64, 128 or 256, it reads
/// everything twice and makes no other copies.
Fp8Heads quantise_heads(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);

/// quantise_heads() of what write_heads() makes of a joined projection z [batch, rows, 3d] f32 or bf16, without writing
/// that; angles as there. The scales of q and k follow from the largest norms that RMSNorm and its weights allow. On a
/// GPU, for bf16 and heads of 64, 128 or 256, it reads q once, k and v twice, and makes no other copies.
Fp8Heads quantise_projection(const at::Tensor& z, const HeadNorms& norms, const at::Tensor& angles,
                             std::int64_t head_dim);

/// What the log-sum-exp of attention to `heads` lacks to be that of the original keys: the score of q with the mean
/// that was subtracted, [batch, heads, rows] f32.
at::Tensor subtracted_score(const at::Tensor& q, const Fp8Heads& heads);

/// x [..., head_dim] times the orthogonal Hadamard matrix of the largest power of 2 that divides head_dim, in f32; each
/// such part of a head is rotated for itself.
at::Tensor rotate_heads(const at::Tensor& x);

}  // namespace wf
