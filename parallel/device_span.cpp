#include "parallel/device_span.hpp"

#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <mutex>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/trace.hpp"
#include "parallel/device_graph.hpp"

namespace wf {

using Clock = std::chrono::steady_clock;

struct OpenSpan {
  virtual ~OpenSpan() = default;
};

struct SumsOfSpans {
  std::map<std::string, DeviceTimes> by_category;
};

namespace {

/// How long an anchor is used. The two clocks drift apart by about 10 us a second, and CUDA returns the time since the
/// anchor as a float.
constexpr Clock::duration anchor_life = std::chrono::seconds(10);
/// How long the renewal of an anchor may take: its idle stream may share a hardware queue with busy ones.
constexpr Clock::duration renewal_time = std::chrono::microseconds(200);

Clock::duration milliseconds(double count) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double, std::milli>(count));
}

/// One moment on the clocks of the GPU (event) and of the host.
struct Anchor {
  c10::Event event;
  Clock::time_point host;
};

/// A span whose work is queued on a GPU.
struct GpuSpan {
  at::Device device;
  std::string track, category, name;
  std::shared_ptr<const Anchor> anchor;
  c10::Event begin, end;
};

/// The anchor and the free events of a GPU's spans.
class GpuClock {
 public:
  explicit GpuClock(at::Device device) : device_(device), driver_(device.type()), idle_(driver_.getNewStream(device)) {}

  GpuSpan begin(std::string_view track, std::string_view category, std::string_view name) {
    if (Clock::now() >= renewal_) renew_anchor();
    GpuSpan span{device_, std::string(track), std::string(category), std::string(name), anchor_, event(), event()};
    span.begin.record(driver_.getStream(device_));
    return span;
  }

  void end(GpuSpan& span) { span.end.record(driver_.getStream(device_)); }

  void reuse(GpuSpan span) {
    events_.push_back(std::move(span.begin));
    events_.push_back(std::move(span.end));
  }

 private:
  c10::Event new_event() const { return {device_.type(), c10::EventFlag::BACKEND_DEFAULT}; }

  c10::Event event() {
    if (events_.empty()) return new_event();
    c10::Event last = std::move(events_.back());
    events_.pop_back();
    return last;
  }

  /// Records an event on the idle stream, and spins to see it at once. Waits for the first anchor as long as it takes;
  /// a later one that is late is given up, and the old one kept.
  void renew_anchor() {
    const Clock::time_point deadline = anchor_ ? Clock::now() + renewal_time : Clock::time_point::max();
    const auto next = std::make_shared<Anchor>(Anchor{new_event(), {}});
    next->event.record(idle_);
    bool done = false;
    while (!(done = next->event.query()) && Clock::now() < deadline) {
    }
    next->host = Clock::now();
    if (done) anchor_ = next;
    renewal_ = next->host + anchor_life;
  }

  at::Device device_;
  c10::impl::VirtualGuardImpl driver_;
  c10::Stream idle_;
  std::shared_ptr<const Anchor> anchor_;
  Clock::time_point renewal_ = Clock::time_point::min();
  std::vector<c10::Event> events_;  ///< free for reuse
};

/// All spans in flight of this process, and the sums that collect them. Safe from any thread.
class Spans {
 public:
  bool wanted() const { return summing_.load(std::memory_order_relaxed) || trace::on(); }

  GpuSpan begin(at::Device device, std::string_view track, std::string_view category, std::string_view name) {
    const std::lock_guard lock(mutex_);
    return gpu(device).begin(track, category, name);
  }

  void end(GpuSpan span) {
    const std::lock_guard lock(mutex_);
    gpu(span.device).end(span);
    in_flight_.push_back(std::move(span));
    while (!in_flight_.empty() && in_flight_.front().end.query()) finish_first();
  }

  void flush() {
    const std::lock_guard lock(mutex_);
    while (!in_flight_.empty()) {
      in_flight_.front().end.synchronize();
      finish_first();
    }
  }

  void drop_all() {
    const std::lock_guard lock(mutex_);
    in_flight_.clear();
  }

  void sum_up(const std::string& category, double seconds) {
    const std::lock_guard lock(mutex_);
    add(category, seconds);
  }

  void attach(SumsOfSpans& sums) {
    const std::lock_guard lock(mutex_);
    sums_.insert(&sums);
    summing_ = true;
  }

  void detach(SumsOfSpans& sums) {
    const std::lock_guard lock(mutex_);
    sums_.erase(&sums);
    summing_ = !sums_.empty();
  }

  SumsOfSpans read(const SumsOfSpans& sums) {
    const std::lock_guard lock(mutex_);
    return sums;
  }

 private:
  GpuClock& gpu(at::Device device) { return gpus_.try_emplace(device.index(), device).first->second; }

  void finish_first() {
    GpuSpan span = std::move(in_flight_.front());
    in_flight_.pop_front();
    const double length = span.begin.elapsedTime(span.end);  // milliseconds
    const Clock::time_point begin = span.anchor->host + milliseconds(span.anchor->event.elapsedTime(span.begin));
    trace::add({span.track, span.category, span.name, begin, begin + milliseconds(length)});
    add(span.category, length / 1000);
    gpu(span.device).reuse(std::move(span));
  }

  void add(const std::string& category, double seconds) {
    for (SumsOfSpans* const sums : sums_) {
      DeviceTimes& times = sums->by_category[category];
      times.seconds += seconds;
      ++times.spans;
    }
  }

  std::mutex mutex_;
  std::map<c10::DeviceIndex, GpuClock> gpus_;
  std::deque<GpuSpan> in_flight_;
  std::set<SumsOfSpans*> sums_;
  std::atomic<bool> summing_ = false;
};

/// The spans of this process; never destroyed, because CUDA may be unloaded before.
Spans& spans() {
  static Spans& spans = *new Spans;
  return spans;
}

/// Runs `call`. After an error of the GPU, events that are still pending will never come, so all spans are dropped.
template <class Call>
void logging_errors(const Call& call) noexcept {
  try {
    call();
  } catch (const std::exception& error) {
    spdlog::error("spans of the GPU are lost: {}", error.what());
    spans().drop_all();
  }
}

struct OpenGpuSpan final : OpenSpan {
  explicit OpenGpuSpan(GpuSpan begun) : span(std::move(begun)) {}
  ~OpenGpuSpan() override {
    logging_errors([&] { spans().end(std::move(span)); });
  }
  GpuSpan span;
};

struct OpenHostSpan final : OpenSpan {
  OpenHostSpan(std::string_view what, std::string_view name) : category(what), span(what, name) {}
  ~OpenHostSpan() override { spans().sum_up(category, std::chrono::duration<double>(Clock::now() - begin).count()); }
  std::string category;
  trace::Span span;
  Clock::time_point begin = Clock::now();
};

}  // namespace

DeviceSpan::DeviceSpan(at::Device device, std::string_view track, std::string_view category, std::string_view name) {
  if (!device_spans_wanted() || is_recording(device)) return;
  if (device.is_cpu())
    open_ = std::make_unique<OpenHostSpan>(category, name);
  else
    logging_errors([&] { open_ = std::make_unique<OpenGpuSpan>(spans().begin(device, track, category, name)); });
}

DeviceSpan::~DeviceSpan() = default;

bool device_spans_wanted() { return spans().wanted(); }

void flush_device_spans() {
  logging_errors([] { spans().flush(); });
}

DeviceSpanSums::DeviceSpanSums() : sums_(std::make_unique<SumsOfSpans>()) {
  flush_device_spans();
  spans().attach(*sums_);
}

DeviceSpanSums::~DeviceSpanSums() { spans().detach(*sums_); }

std::map<std::string, DeviceTimes> DeviceSpanSums::by_category() const {
  flush_device_spans();
  return spans().read(*sums_).by_category;
}

}  // namespace wf
