// parallel/device.hpp: what a computing device has and does: memory, its limit, waiting. A CPU answers too, so that
// callers ask no questions.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <string>

namespace wf {

/// Bytes of a GPU's memory, as LibTorch's caching allocator counts them. All zero for a CPU.
struct DeviceMemory {
  std::uint64_t used = 0;  ///< in tensors
  std::uint64_t peak = 0;  ///< most in tensors since reset_peak_memory()
  std::uint64_t held = 0;  ///< in tensors, or kept for the next ones
};
DeviceMemory device_memory(at::Device device);
void reset_peak_memory(at::Device device);

/// What tensors may take altogether: the device's memory, or what limit_memory() left of it. 0 for a CPU.
std::uint64_t memory_limit(at::Device device);

/// No more than this for tensors from now on: an allocation beyond throws out-of-memory although the device has more.
/// To be called before anything is allocated. Throws input when the device has less. A CPU is not limited.
void limit_memory(at::Device device, std::uint64_t bytes);

/// Gives back to the device what is kept for later tensors.
void release_cached_memory(at::Device device);

/// Waits until all work queued on the device is done.
void synchronize(at::Device device);

/// Seconds that `work` takes on the device's current stream, the queue being empty at its start. On a CPU: wall time.
double seconds_on(at::Device device, const std::function<void()>& work);

/// 90 for a Hopper GPU, 0 for a CPU.
int compute_capability(at::Device device);

/// "NVIDIA H200"; "cpu".
std::string device_name(at::Device device);

/// "57.2 GB": decimal, as disks and checkpoints are counted. "12.3 GiB": binary, as memory is.
std::string gigabytes(std::uint64_t bytes);
std::string gibibytes(std::uint64_t bytes);

}  // namespace wf
