// parallel/device_span.hpp: how long a GPU spends on some work, measured on the GPU, for the trace and for sums.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace wf {

struct OpenSpan;     ///< defined in device_span.cpp
struct SumsOfSpans;  ///< defined in device_span.cpp

/// Measures the work that is queued between its construction and its destruction, on the stream of `device` that is
/// current at each. The span begins when all work queued before is done, and ends when its own work is done. It is
/// added to the trace as `name`, in the track `track`: "GPU" for computation or "GPU transfers". category: see
/// trace::Span. Nothing is measured unless the trace is on or a DeviceSpanSums lives.
///
/// The host does not wait; a span costs it about 10 us. The end of a span is noticed when a later one ends, or by
/// flush_device_spans(). GPU times are converted to host times with an event that both clocks have seen: a device's
/// first span waits for one, later spans renew it every 10 s. Positions on the host's clock are accurate to about
/// 0.1 ms, mostly the drift between the clocks; lengths are accurate to a microsecond.
///
/// On a CPU it is a span of the calling thread, which does the work itself; `track` is ignored.
///
/// Work that is being recorded (device_graph.hpp) is not measured: its replays would overwrite each other's times.
///
/// Safe from any thread. GPU errors are logged, and the span is lost; whoever computes meets the same error.
class DeviceSpan {
 public:
  DeviceSpan(at::Device device, std::string_view track, std::string_view category, std::string_view name);
  ~DeviceSpan();
  DeviceSpan(const DeviceSpan&) = delete;
  DeviceSpan& operator=(const DeviceSpan&) = delete;

 private:
  std::unique_ptr<OpenSpan> open_;  ///< null when the span is not measured
};

/// Whether spans are measured now.
bool device_spans_wanted();

/// Waits for the end of all spans that have been destroyed, and adds them to the trace. Call it before trace::events().
void flush_device_spans();

struct DeviceTimes {
  double seconds = 0;
  std::int64_t spans = 0;
};

/// While it lives, device spans are measured even without a trace, and summed up by category: for example how long a
/// forward's transfers take, and how long computation waits for them. The constructor waits for earlier spans.
class DeviceSpanSums {
 public:
  DeviceSpanSums();
  ~DeviceSpanSums();
  DeviceSpanSums(const DeviceSpanSums&) = delete;
  DeviceSpanSums& operator=(const DeviceSpanSums&) = delete;
  /// Sums over the spans that have been destroyed since the construction; waits for their ends. The overlap of two
  /// spans counts twice.
  std::map<std::string, DeviceTimes> by_category() const;

 private:
  std::unique_ptr<SumsOfSpans> sums_;
};

}  // namespace wf
