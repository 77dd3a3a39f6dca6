// tests/pipeline/model/peak_bytes.hpp: how many bytes of tensors a computation holds at most.
#pragma once

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <algorithm>
#include <cstdint>
#include <memory>

namespace wf {

/// Bytes of CPU tensors that this thread allocated and did not free, while the object lives.
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

/// Most bytes of CPU tensors alive at once that `action` allocated.
template <class Action>
std::int64_t peak_bytes(Action&& action) {
  const auto bytes = std::make_shared<LiveBytes>();
  const c10::DebugInfoGuard counting(c10::DebugInfoKind::PROFILER_STATE, bytes);
  action();
  return bytes->peak();
}

}  // namespace wf
