// parallel/peer_memory.hpp: GPU memory of the ranks of one node that each of them can write into, and flags in GPU
// memory that streams wait for. Only for files that include CUDA headers anyway.
#pragma once

#include <ATen/core/Tensor.h>
#include <cuda.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "parallel/communicator.hpp"

namespace wf {

/// False when the user has switched copies between GPUs off with WANFARM_PEER_COPIES=0.
bool peer_copies_allowed();

/// The same amount of memory on each rank's GPU, which all ranks of `host` can access. It comes from LibTorch's
/// allocator.
class PeerMemory {
 public:
  /// Collective. The memory is not initialised. All ranks throw, and none is left waiting, when one of them has no room
  /// (there LibTorch's own error, on the others Error(resource)), or when one cannot share its memory or access
  /// another's (Error(environment)).
  PeerMemory(Communicator& host, at::Device gpu, std::int64_t bytes);
  /// Collective: returns when the other ranks have closed this rank's memory. Not collective while an exception unwinds
  /// the stack: the memory is then kept until the process ends.
  ~PeerMemory();
  PeerMemory(const PeerMemory&) = delete;
  PeerMemory& operator=(const PeerMemory&) = delete;

  std::int64_t bytes() const { return own_.numel(); }
  const at::Tensor& own() const { return own_; }  ///< [bytes] u8
  std::byte* of(int rank) const;                  ///< address in this process where any rank's memory begins

 private:
  struct Shared;
  void allocate(at::Device gpu, std::int64_t bytes);
  Shared share() const;
  std::string open(const std::vector<std::string>& handles);

  Communicator& host_;
  at::Tensor own_;
  std::vector<std::shared_ptr<void>> opened_;  ///< the other ranks' memory, by rank; null for this rank
  std::vector<std::ptrdiff_t> offsets_;
  int exceptions_;
};

/// Writes flags in GPU memory, and waits for them, on a stream. A flag has 32 bits. The stream's GPU has to be the
/// current device. Calls throw Error(resource) when the driver fails.
class StreamFlags {
 public:
  /// Throws Error(environment) when the driver does not support it.
  StreamFlags();
  /// Queues a write of the flag, which may be in another GPU's memory.
  void write(cudaStream_t stream, const std::byte* flag, std::uint32_t value) const;
  /// Makes the stream wait until the flag, in its own GPU's memory, has the value.
  void wait(cudaStream_t stream, const std::byte* flag, std::uint32_t value) const;

 private:
  using Call = CUresult (*)(CUstream, CUdeviceptr, cuuint32_t, unsigned);
  Call write_, wait_;
};

/// The text of each rank, in rank order, on all ranks. Collective over communicators for CPU tensors.
std::vector<std::string> all_gather_texts(Communicator& ranks, const std::string& own);

/// The first text that is not empty; empty when all are. Of the problems that ranks have gathered, that is the one to
/// report: it is the same on all ranks.
std::string first_problem(const std::vector<std::string>& of_each_rank);

}  // namespace wf
