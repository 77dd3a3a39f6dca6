#include "pipeline/model/weight_reader.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <charconv>

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

std::int64_t WeightReader::size(const std::string& name, std::size_t dim) const {
  const std::vector<std::int64_t>& shape = weights_.entry(name).shape;
  if (dim < shape.size() && shape[dim] > 0) return shape[dim];
  throw Error(Error::environment, where() + ": tensor " + name + ": has no dimension " + std::to_string(dim));
}

bool WeightReader::any_left(const std::string& prefix) const {
  const auto first = left_.lower_bound(prefix);
  return first != left_.end() && first->starts_with(prefix);
}

std::int64_t WeightReader::count(const std::string& list) const {
  std::int64_t count = 0;
  const std::string prefix = list + ".";
  for (auto name = left_.lower_bound(prefix); name != left_.end() && name->starts_with(prefix); ++name) {
    std::int64_t number = -1;
    std::from_chars(name->data() + prefix.size(), name->data() + name->size(), number);
    count = std::max(count, number + 1);
  }
  return count;
}

void WeightReader::expect_nothing_left(const std::string& network) const {
  if (left_.empty()) return;
  std::string names;
  for (auto name = left_.begin(); name != left_.end() && names.size() < 100; ++name) names += " " + *name;
  throw Error(Error::environment, where() + ": " + std::to_string(left_.size()) + " tensors are not part of " +
                                      network + ":" + names + (left_.size() > 1 ? " ..." : ""));
}

}  // namespace wf
