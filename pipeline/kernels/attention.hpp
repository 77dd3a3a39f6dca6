// pipeline/kernels/attention.hpp: the attention backends: plain formula, cuDNN, FlashAttention-3.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "parallel/attention.hpp"
#include "pipeline/kernels/heads_fp8.hpp"

namespace wf {

/// softmax(q k^T / sqrt(head_dim)) v of heads in 8 bits. Returns [batch, heads, rows, head_dim].
using HeadsAttention = std::function<at::Tensor(const Fp8Heads&)>;

/// Self-attention of a run. Where it is computed in 8 bits, a rank that has all rows rounds their projection at once;
/// ranks that exchange heads send bf16, and each rounds what it attends to; around a ring keys travel in 8 bits.
struct SelfAttention {
  SelfAttention() = default;
  SelfAttention(Attention general, HeadsAttention of_heads = {},
                Attention without_8_bits = {})  // NOLINT(google-explicit-constructor)
      : of_rows(std::move(general)), of_fp8_heads(std::move(of_heads)), exact(std::move(without_8_bits)) {}
  template <class Function>
  requires std::is_constructible_v<Attention, Function> SelfAttention(Function general)
      : of_rows(std::move(general)) {}  // NOLINT(google-explicit-constructor)

  Attention of_rows;            ///< of q, k and v
  HeadsAttention of_fp8_heads;  ///< the same of heads that are in 8 bits; empty where it is not computed in 8 bits
  Attention exact;              ///< what takes the place of both in steps without 8-bit numbers; empty: of_rows does

  explicit operator bool() const { return static_cast<bool>(of_rows); }
  SelfAttention exactly() const { return exact ? exact : of_rows; }
};

/// The plain formula, computed in f32 for any dtype and head size and rounded to q's dtype: the oracle of the other
/// backends. On a CPU it is LibTorch's blocked implementation; on a GPU it proceeds by blocks of rows whose scores take
/// at most 512 MiB.
Attention math_attention();

/// cuDNN's fused attention on an NVIDIA GPU, for bf16 and a head size that is a multiple of 8, up to 128.
Attention cudnn_attention();

/// FlashAttention-3 on a GPU of compute capability 9.0, for bf16 and a head size that is a multiple of 8, up to 256. It
/// comes from the shared library of the Python package fa3-fwd, which needs no Python: $WANFARM_FA3 names the file
/// fa3_fwd/_C.abi3.so or the folder that holds fa3_fwd/. Throws Error(environment) when the variable is not set, or the
/// library cannot be loaded.
Attention fa3_attention();

/// Attention to heads in 8 bits, without their v_mean, its result in `dtype` if it can be chosen. The lse is that of
/// these heads.
using Fp8Attention = std::function<AttentionResult(const Fp8Heads& heads, at::ScalarType dtype, bool with_lse)>;

/// The self-attention that rounds rows to 8 bits and attends to them with `to_heads`; `exact` as in SelfAttention.
SelfAttention attention_in_8_bits(Fp8Attention to_heads, Attention exact);

/// FlashAttention-3 of q, k and v in 8 bits (heads_fp8.hpp), which also rounds the weights of the softmax to 8 bits,
/// and whose result is bf16. For heads of 64, 128 or 256. Tensor cores keep 13 bits of a sum of products of 8-bit
/// numbers and cut off the rest every 32 keys, so over 75,600 keys a tenth of a sum is lost: of what values do not have
/// in common, which is small where many keys count. Otherwise as fa3_attention(). `exact` is left empty.
SelfAttention fa3_fp8_attention();

/// `inner`, which is not to be a backend in 8 bits, of what 8 bits keep of q, k and v: the reference of
/// fa3_fp8_attention() but for the softmax's weights. For any dtype and head size.
SelfAttention rounded_attention(Attention inner);

/// Why a backend cannot be used on this device, with this dtype and head size; empty when it can.
std::string why_not_cudnn(at::Device device, at::ScalarType dtype, std::int64_t head_dim);
std::string why_not_fa3(at::Device device, at::ScalarType dtype, std::int64_t head_dim);
/// Why no GPU of this compute capability, times ten, has FlashAttention-3; empty when it may.
std::string why_not_fa3(int capability);
std::string why_not_fa3_fp8(at::Device device, at::ScalarType dtype, std::int64_t head_dim);

/// softmax(q k^T / sqrt(head_dim) + bias) v, for cross-attention to few keys. q: [batch, heads, rows, head_dim]; k, v:
/// [batch, heads, keys, head_dim]; bias: [batch, 1, 1, keys] f32, or undefined for none. Returns the shape and dtype of
/// q.
at::Tensor biased_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& bias);

}  // namespace wf
