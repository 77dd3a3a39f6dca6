// launcher/machine.hpp: what doctor finds out about this machine and this build.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cluster/files.hpp"

namespace wf {

/// A shared library that this process has loaded; its version stands in its real file name.
struct LoadedLibrary {
  std::string name;  ///< "libavcodec"
  Path file;         ///< links resolved: /usr/lib/.../libavcodec.so.59.37.100
};
std::vector<LoadedLibrary> loaded_libraries();

/// The instruction sets among AVX2, FMA, AVX-512, AVX-512 BF16 and AMX that this CPU has, and its name.
std::string cpu_features();
std::string cpu_name();

/// Names of the NVIDIA GPUs that the driver shows, whatever this build can do with them, and the driver's version,
/// "580.82.07". Empty without a driver.
std::vector<std::string> gpus_of_driver();
std::string driver_version();

/// An NVIDIA GPU that this build can use.
struct Gpu {
  std::string name;
  std::uint64_t memory_bytes = 0;
  int capability = 0;  ///< 90 is compute capability 9.0: H100, H200
  std::string pci;     ///< "0000:1a:00.0": where it is in the machine, for whoever sees it as whatever number
};

/// What this build has of CUDA, and sees with it. All empty in a build without CUDA.
struct CudaView {
  std::string version;        ///< of the runtime that is linked, "13.0"
  std::string architectures;  ///< that kernels were compiled for, "80 89 90a"
  std::vector<Gpu> gpus;
  std::string problem;  ///< why there are none, in the runtime's words
};
CudaView cuda_view();

/// Bytes of a GPU that nobody has taken. Starts CUDA on it, which itself takes some 0.5 GB. 0 when that fails.
std::uint64_t free_memory(int gpu);

/// Two of CudaView::gpus. direct: each can address the memory of the other, over NVLink or PCIe.
struct GpuPair {
  int a = 0, b = 0;
  bool direct = false;
};
std::vector<GpuPair> gpu_pairs();

}  // namespace wf
