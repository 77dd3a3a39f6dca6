// tests/pipeline/weights/random_draw_test.cpp: described weights have the requested distribution and are reproducible.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "pipeline/weights/checkpoint.hpp"
#include "pipeline/weights/random_manifest.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

/// A manifest of three tensors, of which `a` and `b` differ only in their names.
struct DescribedWeights {
  explicit DescribedWeights(DType dtype = DType::f32, std::uint64_t seed = 42)
      : file(folder.write("m.random.json", to_json({.seed = seed,
                                                    .part = "vae",
                                                    .dtype = dtype,
                                                    .tensors = {{"a", {1000, 500}, 3.0, 0.5},
                                                                {"b", {1000, 500}, 3.0, 0.5},
                                                                {"none", {0, 7}, 0.0, 1.0}}}))),
        checkpoint(file) {}
  at::Tensor load(const std::string& name, at::ScalarType dtype = at::kFloat) const {
    return checkpoint.load(name, dtype, at::kCPU);
  }
  test::TempFolder folder;
  Path file;
  Checkpoint checkpoint;
};

TEST(RandomDraw, HasTheRequestedShapeMeanAndSpread) {
  const at::Tensor a = DescribedWeights().load("a");
  EXPECT_EQ(a.sizes(), at::IntArrayRef({1000, 500}));
  EXPECT_NEAR(a.mean().item<double>(), 3.0, 0.005);  // 7 standard errors
  EXPECT_NEAR(a.std().item<double>(), 0.5, 0.0035);
  EXPECT_EQ(DescribedWeights().load("none").numel(), 0);
}

TEST(RandomDraw, IsReproducibleAndDiffersByNameAndSeed) {
  EXPECT_TRUE(at::equal(DescribedWeights().load("a"), DescribedWeights().load("a")));
  EXPECT_FALSE(at::equal(DescribedWeights().load("a"), DescribedWeights().load("b")));
  EXPECT_FALSE(at::equal(DescribedWeights().load("a"), DescribedWeights(DType::f32, 43).load("a")));
}

TEST(RandomDraw, IsRoundedAsStoredWeightsAre) {
  const at::Tensor full = DescribedWeights().load("a");
  EXPECT_TRUE(at::equal(DescribedWeights().load("a", at::kBFloat16), full.to(at::kBFloat16)));
  EXPECT_TRUE(at::equal(DescribedWeights(DType::bf16).load("a"), full.to(at::kBFloat16).to(at::kFloat)));
}

TEST(RandomDraw, LeavesTheDefaultGeneratorUntouched) {
  at::manual_seed(5);
  const at::Tensor expected = at::rand({4});
  at::manual_seed(5);
  DescribedWeights().load("a");
  EXPECT_TRUE(at::equal(at::rand({4}), expected));
}

TEST(RandomDraw, NothingIsDrawnOnMeta) {
  const test::TempFolder folder;
  const Path file =
      folder.write("m.random.json", to_json({.part = "big", .tensors = {{"w", {1 << 20, 1 << 19}, 0.0, 1.0}}}));
  const Checkpoint checkpoint(file);  // 2 TiB
  EXPECT_EQ(checkpoint.load("w", at::kFloat, at::kMeta).numel(), std::int64_t{1} << 39);
  EXPECT_EQ(checkpoint.bytes(), std::uint64_t{1} << 41);
}

}  // namespace
}  // namespace wf
