// launcher/machine_cuda.cpp: what CUDA's runtime says of this machine. It is asked directly, for LibTorch keeps the
// reason to itself when it sees no GPU.
#include <cuda_runtime_api.h>

#include "launcher/machine.hpp"

namespace wf {
namespace {

/// 13000 is 13.0.
std::string version_of(int number) { return std::to_string(number / 1000) + '.' + std::to_string(number % 1000 / 10); }

std::string runtime_version() {
  int number = 0;
  return cudaRuntimeGetVersion(&number) == cudaSuccess ? version_of(number) : "unknown version";
}

/// Why there is no GPU to be seen. Without a driver the runtime calls the driver too old.
std::string problem_of(cudaError_t error) {
  int driver = 0;
  if (cudaDriverGetVersion(&driver) == cudaSuccess && driver == 0) return "there is no NVIDIA driver";
  const std::string words = cudaGetErrorString(error);
  return error == cudaErrorInsufficientDriver ? words + "; the driver's is " + version_of(driver) : words;
}

}  // namespace

CudaView cuda_view() {
  CudaView view{.version = runtime_version(), .architectures = WF_CUDA_ARCHS, .gpus = {}, .problem = ""};
  int count = 0;
  cudaError_t error = cudaGetDeviceCount(&count);
  for (int i = 0; i < count && error == cudaSuccess; ++i) {
    cudaDeviceProp properties{};
    error = cudaGetDeviceProperties(&properties, i);
    view.gpus.push_back({properties.name, properties.totalGlobalMem, 10 * properties.major + properties.minor});
  }
  if (error != cudaSuccess) {
    view.gpus.clear();
    view.problem = problem_of(error);
  }
  return view;
}

}  // namespace wf
