// parallel/peer_memory.hpp: memory of GPUs of one machine that their ranks write into for each other, and words in it
// for which streams wait. Only for files that speak CUDA.
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

/// False: the user wants none of it, WANFARM_PEER_COPIES is 0.
bool peer_copies_allowed();

/// As much memory on each rank's GPU, which all ranks of `host` can reach. It counts as LibTorch's.
class PeerMemory {
 public:
  /// Collective. Not initialised. Throws Error(environment) on all ranks where one of them cannot reach another's.
  PeerMemory(Communicator& host, at::Device gpu, std::int64_t bytes);
  /// Collective: the others have let go of this rank's memory when it returns. Not while an exception is on its way:
  /// then the memory stays as it is until the process ends.
  ~PeerMemory();
  PeerMemory(const PeerMemory&) = delete;
  PeerMemory& operator=(const PeerMemory&) = delete;

  std::int64_t bytes() const { return own_.numel(); }
  const at::Tensor& own() const { return own_; }  ///< [bytes] u8
  std::byte* of(int rank) const;                  ///< where any rank's memory begins, here

 private:
  Communicator& host_;
  at::Tensor own_;
  std::vector<std::shared_ptr<void>> opened_;  ///< by rank; empty: its own
  std::vector<std::ptrdiff_t> offsets_;
  int exceptions_;
};

/// Counters in GPU memory, 32 bits each, that only grow and may wrap around. The stream's GPU has to be the current
/// one.
class StreamWords {
 public:
  /// Throws Error(environment) when the driver cannot.
  StreamWords();
  /// After what the stream has to do, the word is set, also in another GPU's memory.
  void write(cudaStream_t stream, const std::byte* word, std::uint32_t value) const;
  /// The stream goes on once the word, of its own GPU, has reached the value.
  void wait(cudaStream_t stream, const std::byte* word, std::uint32_t value) const;

 private:
  using Call = CUresult (*)(CUstream, CUdeviceptr, cuuint32_t, unsigned);
  Call write_, wait_;
};

/// What each rank says, on all of them.
std::vector<std::string> texts_of_all(Communicator& ranks, const std::string& own);

}  // namespace wf
