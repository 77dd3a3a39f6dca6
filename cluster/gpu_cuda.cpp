// cluster/gpu_cuda.cpp: the CUDA part of gpu.hpp. It asks the CUDA runtime directly, because LibTorch does not tell why
// it sees no GPU.
#include <cuda_runtime_api.h>
#include <spdlog/fmt/fmt.h>

#include "cluster/gpu.hpp"

namespace wf {
namespace {

/// CUDA's version numbers as text: 13000 is "13.0".
std::string version_of(int number) { return std::to_string(number / 1000) + '.' + std::to_string(number % 1000 / 10); }

std::string runtime_version() {
  int number = 0;
  return cudaRuntimeGetVersion(&number) == cudaSuccess ? version_of(number) : "unknown version";
}

/// Why no GPU can be used. The missing driver is checked for first: the runtime would report it as too old.
std::string problem_of(cudaError_t error) {
  int driver = 0;
  if (cudaDriverGetVersion(&driver) == cudaSuccess && driver == 0) return "there is no NVIDIA driver";
  const std::string text = cudaGetErrorString(error);
  return error == cudaErrorInsufficientDriver ? text + "; the driver's is " + version_of(driver) : text;
}

Gpu describe(const cudaDeviceProp& gpu) {
  return {.name = gpu.name,
          .memory_bytes = gpu.totalGlobalMem,
          .capability = 10 * gpu.major + gpu.minor,
          .pci = fmt::format("{:04x}:{:02x}:{:02x}.0", gpu.pciDomainID, gpu.pciBusID, gpu.pciDeviceID)};
}

bool can_address(int gpu, int other) {
  int can = 0;
  return cudaDeviceCanAccessPeer(&can, gpu, other) == cudaSuccess && can != 0;
}

}  // namespace

CudaView cuda_view() {
  CudaView view{.version = runtime_version(), .architectures = WF_CUDA_ARCHS, .gpus = {}, .problem = ""};
  int count = 0;
  cudaError_t error = cudaGetDeviceCount(&count);
  for (int i = 0; i < count && error == cudaSuccess; ++i) {
    cudaDeviceProp properties{};
    error = cudaGetDeviceProperties(&properties, i);
    view.gpus.push_back(describe(properties));
  }
  if (error != cudaSuccess) {
    view.gpus.clear();
    view.problem = problem_of(error);
  }
  return view;
}

std::uint64_t free_memory(int gpu) {
  int current = 0;
  std::size_t free = 0, total = 0;
  if (cudaGetDevice(&current) != cudaSuccess || cudaSetDevice(gpu) != cudaSuccess) return 0;
  const bool known = cudaMemGetInfo(&free, &total) == cudaSuccess;
  cudaSetDevice(current);
  return known ? free : 0;
}

std::vector<GpuPair> gpu_pairs() {
  std::vector<GpuPair> pairs;
  const int gpus = static_cast<int>(cuda_view().gpus.size());
  for (int a = 0; a < gpus; ++a)
    for (int b = a + 1; b < gpus; ++b) pairs.push_back({a, b, can_address(a, b) && can_address(b, a)});
  return pairs;
}

}  // namespace wf
