// parallel/host_copy.hpp: copies of tensors to host memory and back, concurrent with what the GPU computes.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/StreamGuard.h>

namespace wf {

/// Copies all bytes of a tensor, in row-major order, to host memory; returns when they have arrived. The data of a GPU
/// tensor pass through two pinned buffers of 16 MiB on the thread's current stream, so `to` need not be pinned.
void copy_to_host(const at::Tensor& from, void* to);
/// Copies host memory into a contiguous tensor, the inverse of copy_to_host().
void copy_to_device(const void* from, const at::Tensor& to);

/// Creates the streams and pins the buffers that three concurrent copies need. Call it once, before the work begins:
/// CUDA may wait for an idle GPU to do either, and the first concurrent copy would wait for all that is queued. Does
/// nothing for a CPU.
void prepare_host_copies(at::Device device);

/// While it lives, the work that this thread queues on a GPU goes to a stream of its own and waits for no other stream,
/// so tensors that it touches must be complete. For threads that run concurrently with the one that computes. Does
/// nothing for a CPU.
class SideStream {
 public:
  explicit SideStream(at::Device device);

 private:
  c10::OptionalStreamGuard guard_;
};

}  // namespace wf
