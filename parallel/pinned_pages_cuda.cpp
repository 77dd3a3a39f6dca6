#include <c10/cuda/CUDAGraphsC10Utils.h>
#include <c10/cuda/CUDAGuard.h>
#include <cuda_runtime_api.h>
#include <spdlog/spdlog.h>

#include "parallel/pinned_pages.hpp"

namespace wf {

/// Another thread may be recording a graph, which pinning on this one does not concern.
std::string pin_pages(at::Device device, std::span<std::byte> pages) {
  if (device.is_cpu() || pages.empty()) return "";
  const c10::cuda::CUDAGuard on_device(device);
  const c10::cuda::CUDAStreamCaptureModeGuard beside_recording(cudaStreamCaptureModeRelaxed);
  const cudaError_t code = cudaHostRegister(pages.data(), pages.size(), cudaHostRegisterPortable);
  if (code == cudaSuccess) return "";
  (void)cudaGetLastError();  // clears the error, which is handled here
  return cudaGetErrorString(code);
}

void unpin_pages(at::Device device, std::span<std::byte> pages) noexcept {
  if (device.is_cpu() || pages.empty()) return;
  const cudaError_t code = cudaHostUnregister(pages.data());
  if (code == cudaSuccess || code == cudaErrorCudartUnloading) return;
  (void)cudaGetLastError();
  spdlog::debug("cudaHostUnregister: {}", cudaGetErrorString(code));
}

}  // namespace wf
