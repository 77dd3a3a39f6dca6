// tests/jobs/record/event_test.cpp: an event is one line of JSON that carries its checksum, and comes back as it was.
#include "jobs/record/event.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/crc32c.hpp"
#include "jobs/record/journal.hpp"

namespace wf {
namespace {

Event full_event() {
  return {.kind = Event::failed,
          .epoch = 3,
          .number = 17,
          .time = 1764403200.123,
          .clip = "0007-a-\"red\"-kite\\\n\x01",
          .fingerprint = std::string(64, 'f'),
          .rank = 0,
          .stage = "high",
          .attempt = 2,
          .seconds = {{"e", 1}, {"high", 71.0625}, {"text", 1e-7}},
          .file = "Käse 熊 🎬.mp4",
          .error = "resource",
          .text = R"(out of memory, {"e":1, ,"crc":"00000000"} \u0041)",
          .job = "17_3",
          .again = true,
          .code = 0};
}

std::vector<Event> read_back(const std::string& text) { return parse_journal(text).events; }

TEST(Event, ComesBackAsItWas) {
  EXPECT_EQ(read_back(to_line(full_event())), std::vector{full_event()});
  const Event empty{.kind = Event::began, .epoch = 1, .number = 1, .time = 5};
  EXPECT_EQ(read_back(to_line(empty)), std::vector{empty});
}

TEST(Event, OfEveryKindComesBack) {
  for (int kind = Event::began; kind <= Event::ended; ++kind) {
    const Event event{.kind = static_cast<Event::Kind>(kind), .epoch = 1, .number = 1, .time = 1};
    EXPECT_EQ(read_back(to_line(event)), std::vector{event}) << to_string(event.kind);
  }
}

TEST(Event, IsALineOfJsonWithTheKeysThatScriptsRead) {
  const std::string line = to_line(full_event());
  EXPECT_EQ(line.find('\n'), line.npos);
  const auto json = nlohmann::json::parse(line);
  EXPECT_EQ(json.at("e"), 3);
  EXPECT_EQ(json.at("n"), 17);
  EXPECT_EQ(json.at("t"), 1764403200.123);
  EXPECT_EQ(json.at("k"), "failed");
  EXPECT_EQ(json.at("clip"), full_event().clip);
  EXPECT_EQ(json.at("seconds").at("high"), 71.0625);
  EXPECT_EQ(json.at("again"), true);
  EXPECT_EQ(json.at("code"), 0);
}

TEST(Event, LeavesOutWhatItDoesNotHave) {
  const auto json = nlohmann::json::parse(to_line({.kind = Event::paused, .epoch = 1, .number = 2, .time = 3}));
  EXPECT_EQ(json.size(), 5u) << json << ": e, n, t, k and crc alone";
}

TEST(Event, ReplacesTextThatIsNotUtf8AndLeavesOutSecondsThatAreNoNumber) {
  Event event{.kind = Event::failed, .epoch = 1, .number = 1, .time = 1};
  event.text = "caf\xe9";
  event.seconds = {{"high", std::nan("")}, {"low", 2}};
  const std::vector<Event> events = read_back(to_line(event));
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].text, "caf\xef\xbf\xbd");
  EXPECT_EQ(events[0].seconds, (std::map<std::string, double>{{"low", 2}}));
}

/// The frame of an event around any members, as another version might write it.
std::string framed(const std::string& members) {
  const std::string text = "{\"e\":1,\"n\":1,\"t\":1.000," + members;
  char crc[16];
  std::snprintf(crc, sizeof crc, "%08x", crc32c(text));
  return text + ",\"crc\":\"" + crc + "\"}";
}

TEST(Event, OfANewerVersionIsReadAsFarAsItIsKnown) {
  const auto events = read_back(framed(R"("k":"done","new":{"x":1},"other":true,"third":"t","clip":"a","last":2.5)"));
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].clip, "a");
  const JournalContent unknown = parse_journal(framed(R"("k":"teleported","clip":"a")") + "\n");
  EXPECT_TRUE(unknown.events.empty());
  EXPECT_EQ(unknown.damaged, 0u) << "it is unknown, not damaged";
}

}  // namespace
}  // namespace wf
