// launcher/bench/op_cost.hpp: arithmetic and memory traffic of an operation, from its name and its tensors' shapes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace wf {

/// What the cost of an operation depends on in one of its tensors.
struct TensorShape {
  std::vector<std::int64_t> sizes;
  std::int64_t element_size = 0;  ///< Bytes of an element.
  const void* storage = nullptr;  ///< Identifies the storage, which a tensor shares with its views.

  std::int64_t elements() const;
  std::int64_t bytes() const { return elements() * element_size; }
};

/// The cost of one call of an operation.
struct OpCost {
  std::string shape;       ///< What tells it from calls with other shapes: see OpTime::shape.
  std::int64_t flops = 0;  ///< Operations of a matrix product, convolution or attention; 0 for anything else.
  std::int64_t bytes = 0;  ///< Bytes that any other known operation reads and writes; 0 for views.
};

/// `name` includes the namespace: "aten::linear". A product of [m, k] and [k, n] counts 2 m k n operations, attention 4
/// for each query, key and channel. Kernels of wf:: (pipeline/kernels/fused.hpp) record only their first input, so
/// their traffic is derived from that and their name; their other tensors are bf16, or have the element size of
/// outputs[0] where that is given.
OpCost op_cost(const std::string& name, const std::vector<TensorShape>& inputs,
               const std::vector<TensorShape>& outputs);

}  // namespace wf
