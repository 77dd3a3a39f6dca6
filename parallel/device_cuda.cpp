// parallel/device_cuda.cpp: the part of device.hpp that needs the CUDA runtime.
#include <ATen/cuda/CUDAContextLight.h>
#include <c10/cuda/CUDAAllocatorConfig.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <spdlog/fmt/fmt.h>

#include <cstdlib>

#include "base/error.hpp"
#include "base/text.hpp"
#include "parallel/device.hpp"

namespace wf {

std::uint64_t memory_limit(at::Device device) {
  if (device.is_cpu()) return 0;
  const auto total = static_cast<double>(at::cuda::getDeviceProperties(device.index())->totalGlobalMem);
  c10::cuda::CUDACachingAllocator::init(c10::cuda::device_count());
  return static_cast<std::uint64_t>(total * c10::cuda::CUDACachingAllocator::getMemoryFraction(device.index()));
}

void limit_memory(at::Device device, std::uint64_t bytes) {
  if (device.is_cpu()) return;
  const auto total = at::cuda::getDeviceProperties(device.index())->totalGlobalMem;
  if (bytes > total)
    throw Error(Error::input,
                fmt::format("--gpu-memory {}: {} has {}", gibibytes(bytes), device_name(device), gibibytes(total)));
  c10::cuda::CUDACachingAllocator::init(c10::cuda::device_count());
  c10::cuda::CUDACachingAllocator::setMemoryFraction(static_cast<double>(bytes) / static_cast<double>(total),
                                                     device.index());
}

void avoid_fragmentation(at::Device device) {
  const auto is_set = [](const char* name) { return std::getenv(name) != nullptr; };
  if (device.is_cpu() || is_set("PYTORCH_CUDA_ALLOC_CONF") || is_set("PYTORCH_ALLOC_CONF")) return;
  c10::CachingAllocator::setAllocatorSettings("expandable_segments:True");
}

int compute_capability(at::Device device) {
  if (device.is_cpu()) return 0;
  const cudaDeviceProp* const properties = at::cuda::getDeviceProperties(device.index());
  return 10 * properties->major + properties->minor;
}

std::string device_name(at::Device device) {
  return device.is_cpu() ? "cpu" : at::cuda::getDeviceProperties(device.index())->name;
}

}  // namespace wf
