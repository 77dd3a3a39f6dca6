#include "pipeline/model/weight_reader.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <charconv>

#include "base/error.hpp"

namespace wf {

WeightReader::WeightReader(const Checkpoint& checkpoint, at::ScalarType dtype, at::Device device)
    : checkpoint_(checkpoint), dtype_(dtype), device_(device) {
  for (const std::string& name : checkpoint.names()) left_.insert(name);
}

at::Tensor WeightReader::take(const std::string& name, at::IntArrayRef shape) {
  left_.erase(name);
  if (!device_.is_meta()) return checkpoint_.load(name, dtype_, device_, shape);
  if (at::IntArrayRef(checkpoint_.entry(name).shape) != shape)
    checkpoint_.load(name, dtype_, at::kCPU, shape);  // throws
  return at::empty(shape, at::TensorOptions(dtype_).device(device_));
}

std::int64_t WeightReader::size(const std::string& name, std::size_t dim) const {
  const std::vector<std::int64_t>& shape = checkpoint_.entry(name).shape;
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
