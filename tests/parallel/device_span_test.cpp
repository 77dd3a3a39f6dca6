// tests/parallel/device_span_test.cpp: device spans on a CPU. Spans on a GPU: tests/gpu/device_span_gpu_test.cpp.
#include "parallel/device_span.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "base/trace.hpp"

namespace wf {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;

const at::Device cpu = at::kCPU;

std::vector<Json> spans_of_trace() {
  flush_device_spans();
  const Json file = Json::parse(trace::join({trace::events()}));
  std::vector<Json> spans;
  for (const Json& event : file.at("traceEvents"))
    if (event.at("ph") == "X") spans.push_back(event);
  return spans;
}

TEST(DeviceSpanCpu, IsASpanOfItsThread) {
  trace::start(0);
  {
    const trace::Span around("stage", "around");
    const DeviceSpan span(cpu, "GPU", "wait", "heads");
    std::this_thread::sleep_for(20ms);
  }
  trace::stop();
  const std::vector<Json> spans = spans_of_trace();
  ASSERT_EQ(spans.size(), 2u);  // in the order of their ends
  EXPECT_EQ(spans[0].at("name"), "heads");
  EXPECT_EQ(spans[0].at("cat"), "wait");
  EXPECT_EQ(spans[0].at("tid"), spans[1].at("tid"));
  EXPECT_GE(spans[0].at("dur"), 20e3);
}

TEST(DeviceSpanCpu, SumsCountTheSpansThatEndDuringTheirLifeWithoutATrace) {
  { const DeviceSpan before(cpu, "GPU", "wait", "before"); }
  const DeviceSpanSums sums;
  EXPECT_TRUE(sums.by_category().empty());
  for (int i = 0; i < 3; ++i) {
    const DeviceSpan span(cpu, "GPU", "wait", "heads");
    std::this_thread::sleep_for(10ms);
  }
  {
    const DeviceSpanSums inner;
    const DeviceSpan span(cpu, "GPU", "communication", "rows");
    EXPECT_TRUE(inner.by_category().empty()) << "the span has not ended";
  }
  const auto times = sums.by_category();
  EXPECT_EQ(times.at("wait").spans, 3);
  EXPECT_GE(times.at("wait").seconds, 0.03);
  EXPECT_EQ(times.at("communication").spans, 1);
  EXPECT_EQ(times.size(), 2u);
}

TEST(DeviceSpanCpu, NothingIsMeasuredWhileNobodyAsks) {
  trace::start(0);
  trace::stop();
  { const DeviceSpan span(cpu, "GPU", "wait", "heads"); }
  EXPECT_TRUE(spans_of_trace().empty());
}

TEST(DeviceSpanCpu, ManyThreadsAreSummedUp) {
  const DeviceSpanSums sums;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([] {
        for (int j = 0; j < 250; ++j) const DeviceSpan span(cpu, "GPU", "wait", "heads");
      });
  }
  EXPECT_EQ(sums.by_category().at("wait").spans, 1000);
}

}  // namespace
}  // namespace wf
