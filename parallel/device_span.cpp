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

#include "cluster/trace.hpp"

namespace wf {

using Clock = std::chrono::steady_clock;

struct OpenSpan {
  virtual ~OpenSpan() = default;
};

struct SumsOfSpans {
  std::map<std::string, DeviceTimes> by_category;
};

namespace {

/// The two clocks drift apart by some 10 us a second; and CUDA says in floats how long ago the anchor was.
constexpr Clock::duration anchor_life = std::chrono::seconds(10);
/// With an idle stream that shares a queue of the hardware with busy ones.
constexpr Clock::duration anchor_patience = std::chrono::microseconds(200);

Clock::duration milliseconds(double count) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double, std::milli>(count));
}

/// One moment by both clocks.
struct Anchor {
  c10::Event event;
  Clock::time_point host;
};

struct OnGpu {
  at::Device device;
  std::string lane, category, name;
  std::shared_ptr<const Anchor> anchor;
  c10::Event begin, end;
};

/// What a GPU's spans share.
class Gpu {
 public:
  explicit Gpu(at::Device device) : device_(device), driver_(device.type()), idle_(driver_.getNewStream(device)) {}

  OnGpu begin(std::string_view lane, std::string_view category, std::string_view name) {
    if (Clock::now() >= renewal_) renew_anchor();
    OnGpu span{device_, std::string(lane), std::string(category), std::string(name), anchor_, event(), event()};
    span.begin.record(driver_.getStream(device_));
    return span;
  }

  void end(OnGpu& span) { span.end.record(driver_.getStream(device_)); }

  void reuse(OnGpu span) {
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

  /// Spins, to see the event at once. The first one has to come; without a later one, the old one is kept.
  void renew_anchor() {
    const Clock::time_point deadline = anchor_ ? Clock::now() + anchor_patience : Clock::time_point::max();
    const auto next = std::make_shared<Anchor>(Anchor{new_event(), {}});
    next->event.record(idle_);
    bool come = false;
    while (!(come = next->event.query()) && Clock::now() < deadline) {
    }
    next->host = Clock::now();
    if (come) anchor_ = next;
    renewal_ = next->host + anchor_life;
  }

  at::Device device_;
  c10::impl::VirtualGuardImpl driver_;
  c10::Stream idle_;
  std::shared_ptr<const Anchor> anchor_;
  Clock::time_point renewal_ = Clock::time_point::min();
  std::vector<c10::Event> events_;  ///< free
};

/// Of the process: what is under way, and who asks for it. Each call is safe from any thread.
class Spans {
 public:
  bool asked_for() const { return summing_.load(std::memory_order_relaxed) || trace::on(); }

  OnGpu begin(at::Device device, std::string_view lane, std::string_view category, std::string_view name) {
    const std::lock_guard lock(mutex_);
    return gpu(device).begin(lane, category, name);
  }

  void end(OnGpu span) {
    const std::lock_guard lock(mutex_);
    gpu(span.device).end(span);
    under_way_.push_back(std::move(span));
    while (!under_way_.empty() && under_way_.front().end.query()) finish_first();
  }

  void flush() {
    const std::lock_guard lock(mutex_);
    while (!under_way_.empty()) {
      under_way_.front().end.synchronize();
      finish_first();
    }
  }

  void forget_all() {
    const std::lock_guard lock(mutex_);
    under_way_.clear();
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
  Gpu& gpu(at::Device device) { return gpus_.try_emplace(device.index(), device).first->second; }

  void finish_first() {
    OnGpu span = std::move(under_way_.front());
    under_way_.pop_front();
    const double length = span.begin.elapsedTime(span.end);  // milliseconds
    const Clock::time_point begin = span.anchor->host + milliseconds(span.anchor->event.elapsedTime(span.begin));
    trace::add({span.lane, span.category, span.name, begin, begin + milliseconds(length)});
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
  std::map<c10::DeviceIndex, Gpu> gpus_;
  std::deque<OnGpu> under_way_;
  std::set<SumsOfSpans*> sums_;
  std::atomic<bool> summing_ = false;
};

/// Never destroyed: CUDA may be gone by then.
Spans& spans() {
  static Spans& spans = *new Spans;
  return spans;
}

/// Events that one stream has not reached because of an error will not come at all.
template <class Call>
void logging_errors(const Call& call) noexcept {
  try {
    call();
  } catch (const std::exception& error) {
    spdlog::error("spans of the GPU are lost: {}", error.what());
    spans().forget_all();
  }
}

struct OpenOnGpu final : OpenSpan {
  explicit OpenOnGpu(OnGpu begun) : span(std::move(begun)) {}
  ~OpenOnGpu() override {
    logging_errors([&] { spans().end(std::move(span)); });
  }
  OnGpu span;
};

struct OpenOnHost final : OpenSpan {
  OpenOnHost(std::string_view what, std::string_view name) : category(what), span(what, name) {}
  ~OpenOnHost() override { spans().sum_up(category, std::chrono::duration<double>(Clock::now() - begin).count()); }
  std::string category;
  trace::Span span;
  Clock::time_point begin = Clock::now();
};

}  // namespace

DeviceSpan::DeviceSpan(at::Device device, std::string_view lane, std::string_view category, std::string_view name) {
  if (!spans().asked_for()) return;
  if (device.is_cpu())
    open_ = std::make_unique<OpenOnHost>(category, name);
  else
    logging_errors([&] { open_ = std::make_unique<OpenOnGpu>(spans().begin(device, lane, category, name)); });
}

DeviceSpan::~DeviceSpan() = default;

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
