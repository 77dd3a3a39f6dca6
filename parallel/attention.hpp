// parallel/attention.hpp: attention as a value, so that a backend can be chosen and ranks can be put around it.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

namespace wf {

struct AttentionResult {
  at::Tensor out;  ///< [batch, heads, rows, head_dim], dtype of q
  at::Tensor lse;  ///< [batch, heads, rows] f32: log sum exp of the scaled scores; undefined unless asked for
};

/// softmax(q k^T / sqrt(head_dim)) v, no mask. q: [batch, heads, rows, head_dim]; k, v: [batch, heads, keys, head_dim].
using Attention =
    std::function<AttentionResult(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool with_lse)>;

/// Joins results over two disjoint sets of keys into the result over their union (both need their lse).
AttentionResult merge(const AttentionResult& a, const AttentionResult& b);

}  // namespace wf
