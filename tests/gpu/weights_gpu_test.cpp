// tests/gpu/weights_gpu_test.cpp: weights that are loaded to the GPU have the bits of those that are loaded to the CPU;
// random weights drawn on the GPU have the requested mean and deviation.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "pipeline/weights/checkpoint.hpp"
#include "pipeline/weights/random_manifest.hpp"
#include "tests/device.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

at::Tensor pinned(at::IntArrayRef shape, at::ScalarType dtype) {
  return at::empty(shape, at::TensorOptions(dtype).pinned_memory(true));
}

void expect_equal_on_both(const Checkpoint& checkpoint) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kHalf})
    for (const std::string& name : checkpoint.names()) {
      const at::Tensor here = checkpoint.load(name, dtype, at::kCPU);
      EXPECT_TRUE(at::equal(checkpoint.load(name, dtype, test::device()).cpu(), here)) << name << " as " << dtype;
      const at::Tensor host = pinned(here.sizes(), dtype);
      checkpoint.load_into(name, host);
      EXPECT_TRUE(at::equal(host, here)) << name << " as " << dtype << " in pinned memory";
    }
}

// More chunks than buffers, so that each buffer is reused while copies out of the others are in flight; small tensors
// between them have odd offsets, because the 7 bytes of "bytes" are written before them.
TEST(UploadedWeights, EqualThoseThatTheCpuLoads) {
  const test::TempFolder folder;
  at::manual_seed(3);
  std::map<std::string, at::Tensor> tensors{{"bytes", at::arange(7).to(at::kByte)}, {"none", at::empty({0, 3})}};
  for (const at::ScalarType stored : {at::kDouble, at::kFloat, at::kBFloat16, at::kHalf}) {
    const std::string type = at::toString(stored);
    tensors[type + " small"] = at::randn({3, 5}).to(stored);
    tensors[type + " of 200 MB"] =
        at::randn({200'000'003 / static_cast<std::int64_t>(at::elementSize(stored))}).to(stored);
    tensors[type + " scalar"] = at::scalar_tensor(0.3, stored);
  }
  write_safetensors(folder / "w.safetensors", tensors);
  expect_equal_on_both(Checkpoint(folder / "w.safetensors"));
}

TEST(UploadedWeights, MayHaveAnyOffsetInAFile) {
  const test::TempFolder folder;
  const at::Tensor values = at::randn({1'000'000});
  for (std::size_t padding = 0; padding < 4; ++padding) {
    const std::string header =
        R"({"w":{"dtype":"F32","shape":[1000000],"data_offsets":[0,4000000]}})" + std::string(padding, ' ');
    const std::uint64_t length = header.size();
    const Path file =
        folder.write("w.safetensors", std::string(reinterpret_cast<const char*>(&length), sizeof length) + header +
                                          std::string(static_cast<const char*>(values.data_ptr()), values.nbytes()));
    EXPECT_TRUE(at::equal(Checkpoint(file).load("w", at::kFloat, test::device()).cpu(), values)) << padding;
  }
}

TEST(UploadedWeights, OfThePthFilesEqualThoseThatTheCpuLoads) {
  for (const char* file : {"Wan2.1_VAE.pth", "models_t5_umt5-xxl-enc-bf16.pth"})
    expect_equal_on_both(Checkpoint(Path(WF_TEST_DATA) / "golden/tiny" / file));
}

/// A described tensor that is drawn in more than one chunk.
struct Described {
  Described()
      : checkpoint(folder.write(
            "m.random.json", to_json({.seed = 42, .part = "vae", .tensors = {{"w", {100, 1'000'001}, 3.0, 0.5}}}))) {}
  at::Tensor load(at::ScalarType dtype) const { return checkpoint.load("w", dtype, test::device()); }
  test::TempFolder folder;
  Checkpoint checkpoint;
};

TEST(DescribedWeights, OnTheGpuHaveTheRequestedMeanAndDeviation) {
  const at::Tensor w = Described().load(at::kFloat);
  ASSERT_TRUE(w.is_cuda());
  EXPECT_NEAR(w.to(at::kDouble).mean().item<double>(), 3.0, 3.5e-4);  // 7 standard errors
  EXPECT_NEAR(w.to(at::kDouble).std().item<double>(), 0.5, 2.5e-4);
  EXPECT_FALSE(at::equal(w.flatten().narrow(0, 0, 1 << 20), w.flatten().narrow(0, 64 << 20, 1 << 20)))
      << "the second chunk does not repeat the first";
}

TEST(DescribedWeights, AreTheSameEachTimeOnTheGpuAndInPinnedMemory) {
  const Described described;
  const at::Tensor w = described.load(at::kBFloat16);
  EXPECT_TRUE(at::equal(w, described.load(at::kBFloat16)));
  EXPECT_TRUE(at::equal(w, described.load(at::kFloat).to(at::kBFloat16)));
  const at::Tensor host = pinned(w.sizes(), at::kBFloat16);
  described.checkpoint.load_into("w", host);
  EXPECT_TRUE(at::equal(host, w.cpu()));
}

}  // namespace
}  // namespace wf
