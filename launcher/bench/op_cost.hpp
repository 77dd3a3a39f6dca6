// pipeline/op_cost.hpp: what an operation costs, from its name and the shapes of its tensors.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace wf {

struct TensorShape {
  std::vector<std::int64_t> sizes;
  std::int64_t element_size = 0;
  const void* storage = nullptr;  ///< the same for a tensor and its views

  std::int64_t elements() const;
  std::int64_t bytes() const { return elements() * element_size; }
};

struct OpCost {
  std::string shape;       ///< as OpTime has it
  std::int64_t flops = 0;  ///< of a matrix product, convolution or attention
  std::int64_t bytes = 0;  ///< of any other operation that is known
};

/// name: with its namespace, "aten::linear". Operations of wf:: (kernels/fused.hpp) record their first input alone, so
/// what they move is written down here.
OpCost op_cost(const std::string& name, const std::vector<TensorShape>& inputs,
               const std::vector<TensorShape>& outputs);

}  // namespace wf
