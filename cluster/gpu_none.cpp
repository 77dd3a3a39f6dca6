// cluster/gpu_none.cpp: the CUDA part of gpu.hpp in a build without CUDA.
#include "cluster/gpu.hpp"

namespace wf {

CudaView cuda_view() { return {}; }
std::uint64_t free_memory(int) { return 0; }
std::vector<GpuPair> gpu_pairs() { return {}; }

}  // namespace wf
