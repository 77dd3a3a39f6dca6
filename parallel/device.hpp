// parallel/device.hpp: memory, name and speed of a computing device. The functions accept a CPU too, so that callers
// need no case distinction.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <string>

namespace wf {

/// Bytes of a GPU's memory, as counted by LibTorch's caching allocator. All zero for a CPU.
struct DeviceMemory {
  std::uint64_t used = 0;  ///< in tensors
  std::uint64_t peak = 0;  ///< largest `used` since reset_peak_memory()
  std::uint64_t held = 0;  ///< in tensors, or cached for later ones
};
DeviceMemory device_memory(at::Device device);
void reset_peak_memory(at::Device device);

/// Bytes that all tensors together may take: the device's memory, or the limit set by limit_memory(). 0 for a CPU.
std::uint64_t memory_limit(at::Device device);

/// Limits the memory of all tensors on a device: an allocation beyond it throws LibTorch's out-of-memory error although
/// the device has more. Call it before the first allocation. Does nothing for a CPU. Throws Error(input) when the
/// device has less.
void limit_memory(at::Device device, std::uint64_t bytes);

/// From now on a tensor can have memory that was freed in several places, at the cost that other processes cannot open
/// the memory of tensors (peer_tensors.hpp): for a process alone. Without it a few small tensors that stay can keep
/// gigabytes from a large one. Does nothing for a CPU, or where the user configures LibTorch's allocator
/// (PYTORCH_CUDA_ALLOC_CONF).
void avoid_fragmentation(at::Device device);

/// Returns cached memory to the device.
void release_cached_memory(at::Device device);

/// Waits until all work queued on the device is done.
void synchronize(at::Device device);
/// Waits until the work on this thread's current stream of the device is done, whatever other threads have queued.
void synchronize_stream(at::Device device);

/// Seconds that `work` takes on the device's current stream, which is idle when it begins. Wall time on a CPU.
double seconds_on(at::Device device, const std::function<void()>& work);

/// Compute capability times ten: 90 for a Hopper GPU. 0 for a CPU.
int compute_capability(at::Device device);

/// "NVIDIA H200", or "cpu".
std::string device_name(at::Device device);

}  // namespace wf
