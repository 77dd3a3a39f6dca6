// cluster/gpu.hpp: the NVIDIA GPUs of this node, as the driver and the CUDA runtime report them. Uses no tensor
// library.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace wf {

/// Names of the NVIDIA GPUs that the driver lists, whether or not this build can use them. Empty without a driver.
std::vector<std::string> gpus_of_driver();

/// The driver's version, "580.82.07". Empty without a driver.
std::string driver_version();

/// An NVIDIA GPU that this build can use.
struct Gpu {
  std::string name;
  std::uint64_t memory_bytes = 0;
  int capability = 0;  ///< compute capability times ten: 90 is 9.0 (H100, H200)
  std::string pci;  ///< PCI address "0000:1a:00.0", the same for all processes, whatever index they see the GPU under
};

/// What this build knows of CUDA, and which GPUs it sees. Every member is empty in a build without CUDA.
struct CudaView {
  std::string version;        ///< version of the linked runtime, "13.0"
  std::string architectures;  ///< architectures that kernels were compiled for, "80 89 90a"
  std::vector<Gpu> gpus;
  std::string problem;  ///< why no GPU can be used, in the runtime's words
};
CudaView cuda_view();

/// Free bytes of a GPU's memory, whoever holds the rest. Creates a CUDA context there, which itself takes about 0.5 GB.
/// Returns 0 when the GPU cannot be queried.
std::uint64_t free_memory(int gpu);

/// Two GPUs, as indices into CudaView::gpus.
struct GpuPair {
  int a = 0, b = 0;
  bool direct = false;  ///< each can address the other's memory, over NVLink or PCIe
};
std::vector<GpuPair> gpu_pairs();

}  // namespace wf
