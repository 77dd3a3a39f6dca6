// pipeline/model/weight_reader.hpp: takes the tensors of one network out of a checkpoint and knows which are left.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "pipeline/weights/checkpoint.hpp"

namespace wf {

/// A network asks for each of its tensors once, by name and shape; what nobody asked for shows a checkpoint of another
/// model. Errors are of kind environment and name file and tensor.
class WeightReader {
 public:
  /// On the device `meta` nothing is read: names and shapes are checked, and the tensors have sizes but no data. That
  /// is how a plan learns what a network needs.
  WeightReader(const Checkpoint& checkpoint, at::ScalarType dtype, at::Device device);

  /// Throws when the tensor is missing or has another shape.
  at::Tensor take(const std::string& name, at::IntArrayRef shape);

  /// Size of dimension `dim` of a tensor that is yet to be taken. Throws when the tensor is missing, has fewer
  /// dimensions, or is empty there.
  std::int64_t size(const std::string& name, std::size_t dim) const;

  /// Whether a tensor not yet taken has a name that starts like this.
  bool any_left(const std::string& prefix) const;

  /// How many parts a numbered list has: one more than the largest N of the names "<list>.N.<...>".
  std::int64_t count(const std::string& list) const;

  /// Throws naming the first few tensors that were not taken.
  void expect_nothing_left(const std::string& network) const;

  /// The checkpoint's file or folder, for messages.
  std::string where() const { return checkpoint_.path().string(); }

 private:
  const Checkpoint& checkpoint_;
  at::ScalarType dtype_;
  at::Device device_;
  std::set<std::string> left_;
};

}  // namespace wf
