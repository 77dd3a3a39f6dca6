// pipeline/model/weight_reader.hpp: takes the tensors of a network out of its files and knows which ones are left.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "pipeline/weights/network_weights.hpp"

namespace wf {

/// Loads the tensors of a network by name and shape, each once. Tensors that are left at the end show a checkpoint of
/// another model. All errors are of kind environment and name file and tensor.
class WeightReader {
 public:
  /// Tensors are loaded as `dtype` onto `device`. On the device `meta` no data is read: names and shapes are checked,
  /// and the tensors have shapes only, which is enough to plan with. `weights` must outlive the reader.
  WeightReader(const NetworkWeights& weights, at::ScalarType dtype, at::Device device);

  /// Loads a tensor. Throws when it is missing or has another shape.
  at::Tensor take(const std::string& name, at::IntArrayRef shape);

  /// Whether a matrix that is yet to be taken is kept in 8 bits as its file has it.
  bool is_kept_in_fp8(const std::string& name) const { return weights_.is_kept_in_fp8(name); }
  /// The dtype that the file has. Throws when the tensor is missing.
  at::ScalarType stored_dtype(const std::string& name) const;
  /// Loads a matrix in 8 bits (NetworkWeights::load_scaled()).
  ScaledMatrix take_scaled(const std::string& name, at::ScalarType f8, at::IntArrayRef shape);

  // As NetworkWeights.
  std::int64_t size(const std::string& name, std::size_t dimension) const { return weights_.size(name, dimension); }
  std::int64_t count(const std::string& list) const { return weights_.count(list); }

  /// Whether the name of a tensor that was not taken yet starts with `prefix`.
  bool any_left(const std::string& prefix) const;

  /// Throws naming the first few tensors that were not taken.
  void expect_nothing_left(const std::string& network) const;

  /// The checkpoint's file or folder, for error messages.
  std::string where() const { return weights_.files().path().string(); }

 private:
  const NetworkWeights& weights_;
  at::ScalarType dtype_;
  at::Device device_;
  std::set<std::string> left_;  ///< names of the tensors that were not taken yet
};

}  // namespace wf
