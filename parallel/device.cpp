#include "parallel/device.hpp"

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <chrono>

namespace wf {
namespace {

/// The device's allocator; null for a CPU, and before the first allocation, when the allocator knows no device.
c10::DeviceAllocator* allocator_of(at::Device device) {
  if (device.is_cpu()) return nullptr;
  c10::DeviceAllocator* const allocator = c10::getDeviceAllocator(device.type());
  return allocator->initialized() ? allocator : nullptr;
}

std::uint64_t bytes(std::int64_t counted) { return static_cast<std::uint64_t>(counted); }

}  // namespace

DeviceMemory device_memory(at::Device device) {
  c10::DeviceAllocator* const allocator = allocator_of(device);
  if (!allocator) return {};
  const auto stats = allocator->getDeviceStats(device.index());
  return {bytes(stats.allocated_bytes[0].current), bytes(stats.allocated_bytes[0].peak),
          bytes(stats.reserved_bytes[0].current)};
}

void reset_peak_memory(at::Device device) {
  if (c10::DeviceAllocator* const allocator = allocator_of(device)) allocator->resetPeakStats(device.index());
}

void release_cached_memory(at::Device device) {
  if (c10::DeviceAllocator* const allocator = allocator_of(device)) allocator->emptyCache();
}

void synchronize(at::Device device) {
  if (!device.is_cpu()) c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(device.index());
}

void synchronize_stream(at::Device device) {
  if (!device.is_cpu()) c10::impl::VirtualGuardImpl(device.type()).getStream(device).synchronize();
}

double seconds_on(at::Device device, const std::function<void()>& work) {
  synchronize(device);
  if (device.is_cpu()) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  const c10::Stream stream = c10::impl::VirtualGuardImpl(device.type()).getStream(device);
  c10::Event begin(device.type(), c10::EventFlag::BACKEND_DEFAULT), end(device.type(), c10::EventFlag::BACKEND_DEFAULT);
  begin.record(stream);
  work();
  end.record(stream);
  end.synchronize();
  return begin.elapsedTime(end) / 1000.0;
}

}  // namespace wf
