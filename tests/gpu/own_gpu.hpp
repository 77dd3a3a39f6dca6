// tests/gpu/own_gpu.hpp: the GPU of this rank, and its communicator.
#pragma once

#include <ATen/ATen.h>
#include <c10/cuda/CUDAFunctions.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "parallel/nccl_communicator.hpp"
#include "tests/mpi_main.hpp"

namespace wf::test {

/// Throws where there are fewer GPUs than ranks: a test that is not run must not look like one that passed.
inline at::Device own_gpu() {
  const int there = c10::cuda::device_count(), own = test_world().place().local_rank;
  if (own >= there)
    throw std::runtime_error("needs a GPU for each rank, but there are " + std::to_string(there) + " here");
  return {at::kCUDA, static_cast<c10::DeviceIndex>(own)};
}

inline at::Tensor on_own_gpu(const at::Tensor& tensor) { return tensor.to(own_gpu()); }

inline std::unique_ptr<Communicator> gpu_ranks(const NcclWaiting& waiting = {}) {
  return nccl_communicator(test_world().communicator(), own_gpu(), waiting);
}

}  // namespace wf::test
