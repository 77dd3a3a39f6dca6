// tests/gpu/host_copy_gpu_test.cpp: copies on a side stream do not wait for what the GPU computes, and copy every bit.
#include <ATen/ATen.h>
#include <c10/cuda/CUDAStream.h>
#include <gtest/gtest.h>

#include <thread>

#include "parallel/device.hpp"
#include "parallel/host_copy.hpp"

namespace wf {
namespace {

const at::Device gpu(at::kCUDA, 0);
constexpr std::int64_t buffer = 16 << 20;  ///< bytes of a pinned buffer

at::Tensor there_and_back(const at::Tensor& tensor) {
  const at::Tensor host = at::empty_like(tensor, tensor.options().device(at::kCPU)), back = at::empty_like(tensor);
  copy_to_host(tensor, host.data_ptr());
  copy_to_device(host.const_data_ptr(), back);
  EXPECT_TRUE(at::equal(host, tensor.cpu()));
  return back;
}

TEST(HostCopyGpu, EveryBitIsCopiedWhateverTheSize) {
  for (const std::int64_t size : {std::int64_t{0}, std::int64_t{1}, buffer - 1, buffer, buffer + 1, 3 * buffer + 5}) {
    const at::Tensor tensor = at::randint(0, 256, {size}, at::TensorOptions(at::kByte).device(gpu));
    EXPECT_TRUE(at::equal(there_and_back(tensor), tensor)) << size;
  }
}

TEST(HostCopyGpu, ACopyWaitsForTheWorkOfItsOwnThread) {
  const at::Tensor x = at::ones({8'000'000}, gpu), host = at::empty({8'000'000});
  for (int i = 0; i < 200; ++i) x.add_(1);
  copy_to_host(x, host.data_ptr());
  EXPECT_TRUE(host.eq(201).all().item<bool>());
}

TEST(HostCopyGpu, ASideStreamDoesNotWaitForTheThreadThatComputes) {
  const at::Tensor stashed = at::randn({buffer}, gpu), host = at::empty({buffer});
  const at::Tensor matrix = at::randn({8192, 8192}, gpu), product = at::empty_like(matrix);
  at::mm_out(const_cast<at::Tensor&>(product), matrix, matrix);  // libraries are loaded
  prepare_host_copies(gpu);
  synchronize(gpu);
  const at::Tensor expected = stashed.cpu();
  for (int i = 0; i < 100; ++i) at::mm_out(const_cast<at::Tensor&>(product), matrix, matrix);
  std::thread([&] {
    const SideStream side_stream(gpu);
    copy_to_host(stashed, host.data_ptr());
  }).join();
  EXPECT_FALSE(c10::cuda::getDefaultCUDAStream(0).query()) << "the products were done before the copy";
  EXPECT_TRUE(at::equal(host, expected));
}

}  // namespace
}  // namespace wf
