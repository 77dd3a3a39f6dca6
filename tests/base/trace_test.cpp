// tests/base/trace_test.cpp: what is recorded, and that viewers can read it.
#include "base/trace.hpp"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <thread>

namespace wf {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

/// The events of a file that are spans ("X") or names ("M").
std::vector<json> events_of(const std::string& file, const std::string& kind) {
  std::vector<json> events;
  const json whole = json::parse(file);
  for (const json& event : whole.at("traceEvents")) {
    if (event.at("ph") == kind) events.push_back(event);
  }
  return events;
}

/// This rank's spans by name.
std::map<std::string, json> spans() {
  std::map<std::string, json> by_name;
  for (const json& span : events_of(trace::join({trace::events()}), "X")) by_name[span.at("name")] = span;
  return by_name;
}

double begin_of(const json& span) { return span.at("ts"); }
double end_of(const json& span) { return span.at("ts").get<double>() + span.at("dur").get<double>(); }

class Trace : public testing::Test {
 protected:
  ~Trace() override { trace::stop(); }
};

TEST_F(Trace, NothingIsRecordedWhileItIsOff) {
  trace::start(0);
  trace::stop();
  { const trace::Span span("stage", "high"); }
  EXPECT_TRUE(spans().empty());
}

TEST_F(Trace, ASpanHasItsCategoryRankArgumentsAndDuration) {
  trace::start(3);
  {
    const trace::Span span("step", "high", {{"clip", "a \"red\"\tkite \\ \xc3\xa9"}, {"step", std::to_string(7)}});
    std::this_thread::sleep_for(20ms);
  }
  const json span = spans().at("high");
  EXPECT_EQ(span.at("cat"), "step");
  EXPECT_EQ(span.at("pid"), 3);
  EXPECT_EQ(span.at("args").at("clip"), "a \"red\"\tkite \\ \xc3\xa9");
  EXPECT_EQ(span.at("args").at("step"), "7");
  EXPECT_GE(span.at("dur"), 20e3) << "microseconds";
  EXPECT_LT(span.at("dur"), 20e6);
}

TEST_F(Trace, ArgumentsMayComeLater) {
  trace::start(0);
  {
    trace::Span with("stage", "with", {{"clip", "a"}}), without("stage", "without");
    with.add({"peak_bytes", "12"});
    without.add({"first", "1"});
    without.add({"second", "2"});
  }
  EXPECT_EQ(spans().at("with").at("args"), json({{"clip", "a"}, {"peak_bytes", "12"}}));
  EXPECT_EQ(spans().at("without").at("args"), json({{"first", "1"}, {"second", "2"}}));
}

TEST_F(Trace, SpansNest) {
  trace::start(0);
  {
    const trace::Span outer("stage", "outer");
    const trace::Span inner("step", "inner");
  }
  const auto found = spans();
  EXPECT_LE(begin_of(found.at("outer")), begin_of(found.at("inner")));
  EXPECT_GE(end_of(found.at("outer")), end_of(found.at("inner")));
  EXPECT_EQ(found.at("outer").at("tid"), found.at("inner").at("tid"));
}

TEST_F(Trace, ASpanThatBeganWhileItWasOffIsNotRecorded) {
  {
    const trace::Span before("stage", "before");
    trace::start(0);
  }
  EXPECT_TRUE(spans().empty());
}

TEST_F(Trace, TimesCountFromZero) {
  trace::start(0);
  { const trace::Span span("stage", "before"); }
  std::this_thread::sleep_for(10ms);
  trace::zero();
  { const trace::Span span("stage", "after"); }
  EXPECT_LE(end_of(spans().at("before")), -10e3);
  EXPECT_GE(begin_of(spans().at("after")), 0);
}

std::map<std::string, int> threads_by_name() {
  std::map<std::string, int> threads;
  for (const json& event : events_of(trace::join({trace::events()}), "M")) {
    if (event.at("name") == "thread_name") threads[event.at("args").at("name")] = event.at("tid");
  }
  return threads;
}

TEST_F(Trace, EachThreadIsATrackWithItsName) {
  trace::start(0);
  const auto record_all = [](const char* thread) {
    trace::name_thread(thread);
    for (int i = 0; i < 1000; ++i) const trace::Span span("stage", thread);
  };
  std::thread one(record_all, "agent"), other(record_all, "writing");
  one.join();
  other.join();
  std::map<std::string, std::map<int, int>> spans_by_name;  // name -> track -> number of spans
  for (const json& span : events_of(trace::join({trace::events()}), "X"))
    ++spans_by_name[span.at("name")][span.at("tid")];
  const auto threads = threads_by_name();
  EXPECT_NE(threads.at("agent"), threads.at("writing"));
  for (const std::string name : {"agent", "writing"})
    EXPECT_EQ(spans_by_name.at(name), (std::map<int, int>{{threads.at(name), 1000}})) << name;
}

TEST_F(Trace, ATrackIsSharedOnlyByThreadsThatFollowEachOther) {
  trace::start(0);
  std::vector<int> tracks;
  const auto record = [&] {
    trace::name_thread("in turn");
    { const trace::Span span("write", "in turn"); }
    tracks.push_back(spans().at("in turn").at("tid"));
  };
  std::thread(record).join();
  std::thread(record).join();
  std::thread([&] {
    record();
    std::thread(record).join();
  }).join();
  EXPECT_EQ(tracks[0], tracks[1]);
  EXPECT_EQ(tracks[0], tracks[2]);
  EXPECT_NE(tracks[2], tracks[3]) << "the thread before was still there";
}

TEST_F(Trace, RanksAreProcessesOfOneFileNamedWithTheirHosts) {
  std::vector<std::string> ranks;
  for (const int rank : {0, 12}) {
    trace::start(rank, rank == 0 ? "node-a" : "");
    { const trace::Span span("stage", "high"); }
    ranks.push_back(trace::events());
  }
  std::vector<int> processes;
  for (const json& span : events_of(trace::join(ranks), "X")) processes.push_back(span.at("pid"));
  EXPECT_EQ(processes, (std::vector<int>{0, 12}));
  std::vector<std::string> names;
  for (const json& event : events_of(trace::join(ranks), "M")) {
    if (event.at("name") == "process_name") names.push_back(event.at("args").at("name"));
  }
  EXPECT_EQ(names, (std::vector<std::string>{"rank 000 (node-a)", "rank 012"}));
}

/// A completed span of half a second that began now.
trace::CompletedSpan half_second(std::string_view track, std::string_view name) {
  const auto now = std::chrono::steady_clock::now();
  return {.track = track, .category = "stage", .name = name, .begin = now, .end = now + 500ms};
}

TEST_F(Trace, ACompletedSpanIsOnATrackOfNoThread) {
  trace::start(0);
  std::thread([] {
    trace::name_thread("GPU");  // a thread of that name has another track
    const trace::Span span("stage", "of a thread");
    trace::add(half_second("GPU", "first"), {{"clip", "a"}});
  }).join();
  trace::add(half_second("GPU", "second"));
  trace::add(half_second("GPU transfers", "third"));
  const auto by_name = spans();
  EXPECT_NEAR(by_name.at("first").at("dur"), 5e5, 1);
  EXPECT_LT(by_name.at("first").at("ts"), 4e5);
  EXPECT_EQ(by_name.at("first").at("args").at("clip"), "a");
  EXPECT_EQ(by_name.at("first").at("tid"), by_name.at("second").at("tid"));
  EXPECT_NE(by_name.at("first").at("tid"), by_name.at("of a thread").at("tid"));
  std::map<int, std::string> tracks;
  for (const json& event : events_of(trace::join({trace::events()}), "M"))
    if (event.at("name") == "thread_name") tracks[event.at("tid")] = event.at("args").at("name");
  EXPECT_EQ(tracks.at(by_name.at("first").at("tid")), "GPU");
  EXPECT_EQ(tracks.at(by_name.at("third").at("tid")), "GPU transfers");
}

TEST_F(Trace, ACompletedSpanIsRecordedOnlyIfItBeganWhileTheTraceWasOn) {
  const auto before = half_second("GPU", "before");
  EXPECT_FALSE(trace::on());
  trace::start(0);
  EXPECT_TRUE(trace::on());
  const auto during = half_second("GPU", "during");
  trace::stop();
  EXPECT_FALSE(trace::on());
  const auto after = half_second("GPU", "after");
  for (const trace::CompletedSpan& span : {before, during, after}) trace::add(span);
  EXPECT_EQ(spans().size(), 1u);
  EXPECT_EQ(spans().count("during"), 1u);
}

TEST_F(Trace, AFileWithoutRanksIsValid) { EXPECT_TRUE(events_of(trace::join({}), "X").empty()); }

TEST_F(Trace, ShortSpansLeaveRoomForLongOnes) {
  trace::start(0);
  for (int i = 0; i < 520'000; ++i) const trace::Span span("wait", "short");
  {
    const trace::Span span("stage", "long");
    std::this_thread::sleep_for(2ms);
  }
  const std::string lines = trace::events();
  std::size_t spans = 0;
  for (std::size_t at = 0; (at = lines.find("\"ph\":\"X\"", at)) != std::string::npos; ++at) ++spans;
  EXPECT_GT(spans, 500'000u);
  EXPECT_LT(spans, 510'000u) << "some short ones may be long on a busy node";
  EXPECT_NE(lines.find("\"long\""), std::string::npos);
}

}  // namespace
}  // namespace wf
