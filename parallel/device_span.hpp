// parallel/device_span.hpp: how long a GPU was at something, measured by the GPU: for the trace, and to be summed up.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace wf {

struct OpenSpan;     ///< device_span.cpp's
struct SumsOfSpans;  ///< likewise

/// The work queued between its construction and its destruction, on the stream of `device` that is current at each. A
/// span begins when all that was queued before is done, and ends when its own work is. It is put into the trace as
/// `name`, in the lane called "GPU" (of what computes) or "GPU transfers". category: as of trace::Span. Nothing is
/// measured while neither the trace nor DeviceSpanSums asks.
///
/// The host does not wait; a span costs it some 10 us. That a span is over is seen when later ones end, or by
/// flush_device_spans(). Times of the GPU become times of the host by an event that both
/// see: the first span of a device waits for one, later ones renew it every 10 seconds. On the host's clock a span is
/// where it was to some 0.1 ms, of which most is the drift of the two clocks; lengths are exact to a microsecond.
///
/// On a CPU it is a span of the calling thread, which does the work itself: the lane is not used.
///
/// From any thread. Errors of the GPU are logged, and the span is lost: whoever computes comes across them, too.
class DeviceSpan {
 public:
  DeviceSpan(at::Device device, std::string_view lane, std::string_view category, std::string_view name);
  ~DeviceSpan();
  DeviceSpan(const DeviceSpan&) = delete;
  DeviceSpan& operator=(const DeviceSpan&) = delete;

 private:
  std::unique_ptr<OpenSpan> open_;  ///< empty: not measured
};

/// Waits for the spans whose destructors have run, and puts them into the trace. To be called before trace::events().
void flush_device_spans();

struct DeviceTimes {
  double seconds = 0;
  std::int64_t spans = 0;
};

/// While it lives, device spans are measured, with a trace or without, and summed up by category: how long a forward's
/// transfers take, and for how long they are waited for. Its construction waits for earlier spans.
class DeviceSpanSums {
 public:
  DeviceSpanSums();
  ~DeviceSpanSums();
  DeviceSpanSums(const DeviceSpanSums&) = delete;
  DeviceSpanSums& operator=(const DeviceSpanSums&) = delete;
  /// Of the spans that ended since its construction; waits for them. What overlaps counts twice.
  std::map<std::string, DeviceTimes> by_category() const;

 private:
  std::unique_ptr<SumsOfSpans> sums_;
};

}  // namespace wf
