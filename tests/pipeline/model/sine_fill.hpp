// tests/pipeline/model/sine_fill.hpp: weights defined by a formula, so that another implementation can be given the
// same ones without a file. With w = sin(0.5 + 0.7310585 i + 1.6180339 j) for element i of the tensor whose name comes
// j-th in byte order, norm weights are 1 + 0.1 w, other 1-D tensors and modulations 0.1 w, all others 1.5 w /
// sqrt(fan-in).
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "pipeline/weights/checkpoint.hpp"
#include "tests/golden.hpp"
#include "tests/temp_folder.hpp"

namespace wf {

using Shape = std::vector<std::int64_t>;
using Shapes = std::map<std::string, Shape>;  ///< in byte order, the order of j

/// w itself as f32, for the input of a network.
inline at::Tensor sine(int j, const Shape& shape) {
  const at::Tensor i = at::arange(c10::multiply_integers(shape), at::kDouble);
  return at::sin(i * 0.7310585 + (0.5 + 1.6180339 * j)).view(shape).to(at::kFloat);
}

inline bool is_norm_weight(const std::string& name) {
  for (const char* ending :
       {"norm_q.weight", "norm_k.weight", "norm1.weight", "norm2.weight", "norm3.weight", "norm.weight", "gamma"})
    if (name.ends_with(ending)) return true;
  return false;
}

inline std::map<std::string, at::Tensor> sine_fill(const Shapes& shapes) {
  std::map<std::string, at::Tensor> tensors;
  int j = 0;
  for (const auto& [name, shape] : shapes) {
    const at::Tensor i = at::arange(c10::multiply_integers(shape), at::kDouble);
    const at::Tensor w = at::sin(i * 0.7310585 + (0.5 + 1.6180339 * j++)).view(shape);
    const double fan_in = static_cast<double>(w.numel()) / static_cast<double>(shape[0]);
    const bool small = shape.size() == 1 || name.ends_with("modulation");
    const at::Tensor value = is_norm_weight(name) ? 1 + 0.1 * w : small ? 0.1 * w : w * (1.5 / std::sqrt(fan_in));
    tensors[name] = value.to(at::kFloat);
  }
  return tensors;
}

/// A checkpoint file of these tensors that is removed with the object.
class TemporaryCheckpoint {
 public:
  explicit TemporaryCheckpoint(const std::map<std::string, at::Tensor>& tensors) { write_safetensors(file(), tensors); }
  Path file() const { return folder_ / "model.safetensors"; }

 private:
  test::TempFolder folder_;
};

/// The output of the official implementation on these weights, in a few numbers.
struct OutputSample {
  double sum, absolute;                   ///< sums of the elements and of their absolute values
  std::map<std::int64_t, double> values;  ///< single elements by flat index
};

/// Compares the sums with the tolerance of every network. Single elements, of the order of 1, may be farther away:
/// these weights amplify rounding, and our own f64 and f32 differ by up to 7e-6 there.
inline void expect_sample(const at::Tensor& ours, const OutputSample& official) {
  const at::Tensor flat = ours.cpu().to(at::kDouble).flatten();
  const auto distance = [](const at::Tensor& value, double wanted) { return std::abs(value.item<double>() - wanted); };
  const double tolerance = test::network_tolerance;
  expect_within("sum", distance(flat.sum(), official.sum) / official.absolute, tolerance);
  expect_within("absolute sum", distance(flat.abs().sum(), official.absolute) / official.absolute, tolerance);
  for (const auto& [index, value] : official.values)
    expect_within("element " + std::to_string(index), distance(flat[index], value), 2.5 * tolerance);
}

}  // namespace wf
