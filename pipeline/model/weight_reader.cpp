#include "pipeline/model/weight_reader.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "pipeline/weights/aten_dtype.hpp"

namespace wf {

WeightReader::WeightReader(const NetworkWeights& weights, at::ScalarType dtype, at::Device device)
    : weights_(weights), dtype_(dtype), device_(device) {
  for (const std::string& name : weights.names()) left_.insert(name);
}

at::Tensor WeightReader::take(const std::string& name, at::IntArrayRef shape) {
  left_.erase(name);
  return weights_.load(name, dtype_, device_, shape);
}

ScaledMatrix WeightReader::take_scaled(const std::string& name, at::ScalarType f8, at::IntArrayRef shape) {
  left_.erase(name);
  return weights_.load_scaled(name, f8, device_, shape);
}

at::ScalarType WeightReader::stored_dtype(const std::string& name) const { return to_aten(weights_.entry(name).dtype); }

bool WeightReader::any_left(const std::string& prefix) const {
  const auto first = left_.lower_bound(prefix);
  return first != left_.end() && first->starts_with(prefix);
}

void WeightReader::expect_nothing_left(const std::string& network) const {
  if (left_.empty()) return;
  std::string names;
  for (auto name = left_.begin(); name != left_.end() && names.size() < 100; ++name) names += " " + *name;
  throw Error(Error::environment, where() + ": " + std::to_string(left_.size()) + " tensors are not part of " +
                                      network + ":" + names + (left_.size() > 1 ? " ..." : ""));
}

}  // namespace wf
