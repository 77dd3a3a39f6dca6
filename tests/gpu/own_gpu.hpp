// tests/gpu/own_gpu.hpp: the GPU of this rank of a test, and the communicator over all GPUs.
#pragma once

#include <ATen/ATen.h>
#include <c10/cuda/CUDAFunctions.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "parallel/mpi_communicator.hpp"
#include "parallel/nccl_communicator.hpp"
#include "tests/mpi_main.hpp"

namespace wf::test {

/// The GPU of this rank. Throws when there are fewer GPUs than ranks: a test that cannot run must not look as if it had
/// passed.
inline at::Device own_gpu() {
  const int gpus = c10::cuda::device_count(), own = test_world().place().local_rank;
  if (own >= gpus) throw std::runtime_error("needs a GPU for each rank, but this node has " + std::to_string(gpus));
  return {at::kCUDA, static_cast<c10::DeviceIndex>(own)};
}

inline at::Tensor on_own_gpu(const at::Tensor& tensor) { return tensor.to(own_gpu()); }

inline std::unique_ptr<Communicator> gpu_ranks(const Waiting& waiting = {}) {
  return nccl_communicator(mpi_communicator(test_world()), own_gpu(), waiting);
}

}  // namespace wf::test
