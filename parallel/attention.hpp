// parallel/attention.hpp: attention as a value, so that a backend can be chosen at run time and ranks can share its
// work.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace wf {

struct AttentionResult {
  at::Tensor out;  ///< [batch, heads, rows, head_dim], dtype of q
  at::Tensor lse;  ///< [batch, heads, rows] f32, log-sum-exp of the scaled scores; may be undefined unless requested
};

/// Attention of queries [batch, heads, rows, head_dim] to keys that are given before. with_lse: whether
/// AttentionResult::lse is needed.
using QueryAttention = std::function<AttentionResult(const at::Tensor& q, bool with_lse)>;

/// How keys and values travel to ranks that attend to them, for an attention that makes something smaller of them
/// first.
struct KeyPacking {
  /// What travels of kv [2, batch, keys, heads, head_dim]: [n], of a dtype of its own.
  std::function<at::Tensor(const at::Tensor& kv)> pack;
  /// n for kv of these sizes.
  std::function<std::int64_t(at::IntArrayRef kv_sizes)> numel;
  /// Attention to what pack() has made of kv of these sizes.
  std::function<QueryAttention(const at::Tensor& packed, at::IntArrayRef kv_sizes)> over;
};

/// softmax(q k^T / sqrt(head_dim)) v without a mask. q: [batch, heads, rows, head_dim]; k, v: [batch, heads, keys,
/// head_dim]; all of one dtype, on one device.
class Attention {
 public:
  using Whole = AttentionResult(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool with_lse);
  using OverKeys = QueryAttention(const at::Tensor& k, const at::Tensor& v);

  Attention() = default;
  /// Of a function that takes everything at once.
  template <class Function>
  requires std::is_invocable_v<Function, const at::Tensor&, const at::Tensor&, const at::Tensor&, bool> Attention(
      Function whole)  // NOLINT(google-explicit-constructor)
      : over_([whole = std::function<Whole>(std::move(whole))](const at::Tensor& k, const at::Tensor& v) {
          return [=](const at::Tensor& q, bool with_lse) { return whole(q, k, v, with_lse); };
        }) {}
  /// Of a function that prepares keys, for one that has something to prepare.
  template <class Function>
  requires std::is_invocable_r_v<QueryAttention, Function, const at::Tensor&, const at::Tensor&> Attention(
      Function over_keys)  // NOLINT(google-explicit-constructor)
      : over_(std::move(over_keys)) {}
  /// The same, but with a packing of its own, whose results are those of `over_keys`.
  template <class Function>
  requires std::is_invocable_r_v<QueryAttention, Function, const at::Tensor&, const at::Tensor&> Attention(
      Function over_keys, KeyPacking packing)
      : over_(std::move(over_keys)), packing_(std::make_shared<const KeyPacking>(std::move(packing))) {}

  AttentionResult operator()(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool with_lse) const {
    return over_(k, v)(q, with_lse);
  }
  /// The same to these keys, for queries that come in several parts: what depends on k and v alone is computed once.
  QueryAttention over(const at::Tensor& k, const at::Tensor& v) const { return over_(k, v); }

  /// How its keys travel; null: as they are.
  const KeyPacking* packing() const { return packing_.get(); }

  explicit operator bool() const { return static_cast<bool>(over_); }

 private:
  std::function<OverKeys> over_;
  std::shared_ptr<const KeyPacking> packing_;
};

/// Merges the results over two disjoint sets of keys into the result over their union. Both need their lse.
AttentionResult merge(const AttentionResult& a, const AttentionResult& b);

}  // namespace wf
