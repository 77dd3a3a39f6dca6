// parallel/host_copy.hpp: a tensor's bytes to memory of the host and back, beside what its device computes.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/StreamGuard.h>

namespace wf {

/// Copies all bytes of a tensor, in row-major order, and return when they have arrived. A GPU's pass through a pinned
/// window of twice 16 MiB on the thread's current stream, so that the host's memory itself need not be pinned.
void copy_to_host(const at::Tensor& from, void* to);
void copy_to_device(const void* from, const at::Tensor& to);  ///< `to` is contiguous

/// Makes the streams and pins the windows that two such copies at a time need, beside what is computed. CUDA may
/// wait for an idle GPU to do either, and the first copy beside would then wait for all that is queued. Once, before
/// work.
void prepare_host_copies(at::Device device);

/// While it lives, what this thread queues on that GPU goes to a stream of its own and waits for nobody: tensors that
/// it touches must be complete. For a thread beside the one that computes; on a CPU it changes nothing.
class StreamBeside {
 public:
  explicit StreamBeside(at::Device device);

 private:
  c10::OptionalStreamGuard guard_;
};

}  // namespace wf
