// tests/gpu/device_span_gpu_test.cpp: times of GPU spans, compared with the host's clock.
#include <ATen/ATen.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "base/trace.hpp"
#include "parallel/device.hpp"
#include "parallel/device_span.hpp"

namespace wf {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::json;

const at::Device gpu(at::kCUDA, 0);

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

/// Queues matrix products that are so large that a few take much longer than the host's work: the queue of a GPU holds
/// about a thousand launches, and a host that fills it waits, with or without spans.
class DeviceSpanGpu : public testing::Test {
 protected:
  DeviceSpanGpu() {
    queue_work(2);  // loads libraries, raises clocks
    synchronize(gpu);
  }
  ~DeviceSpanGpu() override { trace::stop(); }

  void queue_work(int products) const {
    for (int i = 0; i < products; ++i) at::mm_out(product_, matrix_, matrix_);
  }

  /// Measured by the host's clock.
  double seconds_of_work(int products) const {
    synchronize(gpu);
    const auto begin = Clock::now();
    queue_work(products);
    synchronize(gpu);
    return seconds_since(begin);
  }

  at::Tensor matrix_ = at::ones({16384, 16384}, at::device(gpu).dtype(at::kBFloat16));
  mutable at::Tensor product_ = at::empty_like(matrix_);
};

struct Times {
  double begin, end;  ///< seconds from the trace's start
  std::string track;
};

std::map<std::string, Times> times_of_trace() {
  flush_device_spans();
  const Json file = Json::parse(trace::join({trace::events()}));
  std::map<int, std::string> tracks;
  std::map<std::string, Times> spans;
  for (const Json& event : file.at("traceEvents"))
    if (event.at("name") == "thread_name") tracks[event.at("tid")] = event.at("args").at("name");
  for (const Json& event : file.at("traceEvents")) {
    if (event.at("ph") != "X") continue;
    const double begin = event.at("ts").get<double>() / 1e6;
    spans[event.at("name")] = {begin, begin + event.at("dur").get<double>() / 1e6, tracks.at(event.at("tid"))};
  }
  return spans;
}

TEST_F(DeviceSpanGpu, LengthsAndPositionsAgreeWithTheHostsClock) {
  const double expected = seconds_of_work(16);
  trace::start(0);
  const auto start = Clock::now();
  {
    const DeviceSpan span(gpu, "GPU", "stage", "first");
    queue_work(16);
  }
  synchronize(gpu);
  const double first_end = seconds_since(start);
  {
    const DeviceSpan span(gpu, "GPU", "stage", "second");
    queue_work(32);
  }
  synchronize(gpu);
  const double second_end = seconds_since(start);
  const auto spans = times_of_trace();
  const Times first = spans.at("first"), second = spans.at("second");
  std::printf("16 products: %.1f ms by the host, %.1f ms by the GPU; ends apart by %.3f and %.3f ms\n", 1e3 * expected,
              1e3 * (first.end - first.begin), 1e3 * (first_end - first.end), 1e3 * (second_end - second.end));
  EXPECT_NEAR(first.end - first.begin, expected, 0.2 * expected);
  EXPECT_NEAR(second.end - second.begin, 2 * expected, 0.4 * expected);
  EXPECT_NEAR(first.end, first_end, 1e-3);
  EXPECT_NEAR(second.end, second_end, 1e-3);
  EXPECT_EQ(first.track, "GPU");
}

/// The side stream works at the same time; the current one then waits for it.
TEST_F(DeviceSpanGpu, SpansOfTwoStreamsOverlapAndAWaitIsAsLongAsWhatItWaitsFor) {
  trace::start(0);
  const c10::cuda::CUDAStream side = c10::cuda::getStreamFromPool(false, gpu.index()),
                              here = c10::cuda::getCurrentCUDAStream(gpu.index());
  c10::Event done(at::kCUDA, c10::EventFlag::PYTORCH_DEFAULT);
  {
    const c10::cuda::CUDAStreamGuard guard(side);
    const DeviceSpan span(gpu, "GPU transfers", "communication", "side");
    queue_work(32);
  }
  done.record(side);
  {
    const DeviceSpan span(gpu, "GPU", "wait", "wait");
    done.block(here);
  }
  {
    const DeviceSpan span(gpu, "GPU", "stage", "after");
    queue_work(8);
  }
  const auto spans = times_of_trace();
  const Times side_span = spans.at("side"), wait = spans.at("wait"), after = spans.at("after");
  EXPECT_EQ(side_span.track, "GPU transfers");
  EXPECT_EQ(wait.track, "GPU");
  EXPECT_LT(wait.begin, side_span.begin + 0.5 * (side_span.end - side_span.begin));
  EXPECT_NEAR(wait.end, side_span.end, 1e-3);
  EXPECT_GE(after.begin, wait.end - 1e-5);
}

/// As many spans as a forward has.
TEST_F(DeviceSpanGpu, SpansDoNotWaitForABusyGpu) {
  constexpr int spans = 200;
  trace::start(0);
  { const DeviceSpan first(gpu, "GPU", "stage", "first"); }  // waits for an idle GPU, once
  const auto begin = Clock::now();
  queue_work(60);
  const double queued = seconds_since(begin);
  const auto begin_of_spans = Clock::now();
  for (int i = 0; i < spans; ++i) const DeviceSpan span(gpu, "GPU", "wait", "short");
  const double taken = seconds_since(begin_of_spans);
  synchronize(gpu);
  const double all = seconds_since(begin);
  std::printf("%d spans took %.1f ms of 20, while the GPU was busy for %.0f ms\n", spans, 1e3 * taken, 1e3 * all);
  ASSERT_GT(all, queued + 0.2) << "the GPU was not busy long enough for this test";
  EXPECT_LT(taken, 0.02);
}

TEST_F(DeviceSpanGpu, SumsNeedNoTrace) {
  const double expected = seconds_of_work(16);
  const DeviceSpanSums sums;
  for (int i = 0; i < 2; ++i) {
    const DeviceSpan span(gpu, "GPU", "wait", "work");
    queue_work(8);
  }
  const auto times = sums.by_category();
  ASSERT_EQ(times.count("wait"), 1u);
  EXPECT_EQ(times.at("wait").spans, 2);
  EXPECT_NEAR(times.at("wait").seconds, expected, 0.2 * expected);
}

}  // namespace
}  // namespace wf
