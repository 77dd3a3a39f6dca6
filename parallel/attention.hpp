// parallel/attention.hpp: attention as a value, so that a backend can be chosen at run time and ranks can share its
// work.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

namespace wf {

struct AttentionResult {
  at::Tensor out;  ///< [batch, heads, rows, head_dim], dtype of q
  at::Tensor lse;  ///< [batch, heads, rows] f32, log-sum-exp of the scaled scores; may be undefined unless requested
};

/// softmax(q k^T / sqrt(head_dim)) v without a mask. q: [batch, heads, rows, head_dim]; k, v: [batch, heads, keys,
/// head_dim]; all of one dtype, on one device. with_lse: whether AttentionResult::lse is needed.
using Attention =
    std::function<AttentionResult(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool with_lse)>;

/// Merges the results over two disjoint sets of keys into the result over their union. Both need their lse.
AttentionResult merge(const AttentionResult& a, const AttentionResult& b);

}  // namespace wf
