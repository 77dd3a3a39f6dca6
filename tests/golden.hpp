// tests/golden.hpp: tensors that the official implementation computed (tests/data/golden), and comparisons with them
// that print the share of the tolerance that was used.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "pipeline/weights/checkpoint.hpp"
#include "tests/device.hpp"

namespace wf {

/// The folder of the golden files.
inline Path golden_folder() { return Path(WF_TEST_DATA) / "golden"; }
/// A tiny checkpoint in the published layout, with which the official implementation computed the golden files.
inline Path golden_model() { return golden_folder() / "tiny"; }

/// The tensors of a golden file, as f32.
class Golden {
 public:
  explicit Golden(const std::string& file) : checkpoint_(golden_folder() / file) {}
  /// A tensor on the CPU, to compare with.
  at::Tensor operator[](const std::string& name) const { return checkpoint_.load(name, at::kFloat, at::kCPU); }
  /// A tensor on the test's device, as the input of a network.
  at::Tensor input(const std::string& name) const { return checkpoint_.load(name, at::kFloat, test::device()); }

 private:
  Checkpoint checkpoint_;
};

/// |ours - golden| / |golden| in the L2 norm, in double, on the CPU.
inline double relative_distance(const at::Tensor& ours, const at::Tensor& golden) {
  const at::Tensor reference = golden.cpu().to(at::kDouble);
  return (ours.cpu().to(at::kDouble) - reference).norm().item<double>() / reference.norm().item<double>();
}

/// Fails when `distance` is above `tolerance`. Prints the share of the tolerance that was used.
inline void expect_within(const std::string& what, double distance, double tolerance) {
  std::printf("  %-34s %.2e of %.0e allowed (%.0f %%)\n", what.c_str(), distance, tolerance,
              100 * distance / tolerance);
  EXPECT_LE(distance, tolerance) << what;
}

/// Fails when the shapes differ or the relative distance is above `tolerance`. Prints the share that was used.
inline void expect_close(const std::string& what, const at::Tensor& ours, const at::Tensor& golden, double tolerance) {
  ASSERT_EQ(ours.sizes(), golden.sizes()) << what;
  expect_within(what, relative_distance(ours, golden), tolerance);
}

}  // namespace wf
