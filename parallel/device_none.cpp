// parallel/device_none.cpp: the CUDA part of device.hpp in a build without CUDA, where every device is a CPU.
#include "parallel/device.hpp"

namespace wf {

std::uint64_t memory_limit(at::Device) { return 0; }
void limit_memory(at::Device, std::uint64_t) {}
void avoid_fragmentation(at::Device) {}
int compute_capability(at::Device) { return 0; }
std::string device_name(at::Device) { return "cpu"; }

}  // namespace wf
