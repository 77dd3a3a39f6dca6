// tests/pipeline/model/peak_bytes.hpp: the peak bytes of CPU tensors during a computation.
#pragma once

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <algorithm>
#include <cstdint>
#include <memory>

namespace wf {

/// Counts the bytes of CPU tensors that a thread has allocated and not freed since it began to report to this object.
class LiveBytes : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void*, std::int64_t bytes, std::size_t, std::size_t, c10::Device) override {
    live_ += bytes;
    peak_ = std::max(peak_, live_);
  }
  bool memoryProfilingEnabled() const override { return true; }
  std::int64_t peak() const { return peak_; }

 private:
  std::int64_t live_ = 0, peak_ = 0;
};

/// The most bytes of CPU tensors allocated by `action` that are alive at once.
template <class Action>
std::int64_t peak_bytes(Action&& action) {
  const auto bytes = std::make_shared<LiveBytes>();
  const c10::DebugInfoGuard counting(c10::DebugInfoKind::PROFILER_STATE, bytes);
  action();
  return bytes->peak();
}

}  // namespace wf
