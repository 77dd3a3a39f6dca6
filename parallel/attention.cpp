#include "parallel/attention.hpp"

#include <ATen/ATen.h>

namespace wf {

AttentionResult merge(const AttentionResult& a, const AttentionResult& b) {
  // Each result is a mean over its keys; the weight of a set of keys is its share of the whole softmax sum.
  const at::Tensor lse = at::logaddexp(a.lse, b.lse);
  const at::Tensor share = at::exp(a.lse - lse).unsqueeze(-1);
  const at::Tensor out = at::lerp(b.out.to(at::kFloat), a.out.to(at::kFloat), share);
  return {out.to(a.out.scalar_type()), lse};
}

}  // namespace wf
