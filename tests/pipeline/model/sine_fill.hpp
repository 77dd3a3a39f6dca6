// tests/pipeline/model/sine_fill.hpp: weights that can be written down in one line, so that another implementation can
// be given the same ones. Element i of the tensor whose name has rank j in byte order comes from w = sin(0.5 +
// 0.7310585 i + 1.6180339 j): norm weights 1 + 0.1 w, other 1-D tensors and modulations 0.1 w, everything else w scaled
// by 1.5 / sqrt(fan-in).
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "pipeline/weights/checkpoint.hpp"
#include "tests/device.hpp"
#include "tests/temp_folder.hpp"

namespace wf {

using Shape = std::vector<std::int64_t>;
using Shapes = std::map<std::string, Shape>;  ///< std::string compares bytes, so this is the order of the ranks

/// w itself, f32: an input of a network.
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

/// A checkpoint file of these tensors that lives as long as the object.
class TemporaryCheckpoint {
 public:
  explicit TemporaryCheckpoint(const std::map<std::string, at::Tensor>& tensors) { write_safetensors(file(), tensors); }
  Path file() const { return folder_ / "model.safetensors"; }

 private:
  test::TempFolder folder_;
};

/// What another implementation says about its output on these weights.
struct Fingerprint {
  double sum, absolute;
  std::map<std::int64_t, double> values;  ///< by flat index
};

/// Sums agree to the tolerance of every network. Single elements, of the order of 1, may be farther: these weights
/// amplify rounding, and our own f64 and f32 differ by up to 7e-6 there.
inline void expect_fingerprint(const at::Tensor& got, const Fingerprint& wanted) {
  const at::Tensor flat = got.cpu().to(at::kDouble).flatten();
  const double allowed = test::network_tolerance;
  EXPECT_NEAR(flat.sum().item<double>(), wanted.sum, allowed * wanted.absolute);
  EXPECT_NEAR(flat.abs().sum().item<double>(), wanted.absolute, allowed * wanted.absolute);
  for (const auto& [index, value] : wanted.values)
    EXPECT_NEAR(flat[index].item<double>(), value, 2.5 * allowed) << "element " << index;
}

}  // namespace wf
