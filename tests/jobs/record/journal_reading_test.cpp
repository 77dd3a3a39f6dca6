// tests/jobs/record/journal_reading_test.cpp: whatever happens to a journal's bytes, every event whose own bytes are
// intact is read, and none is invented.
#include <gtest/gtest.h>

#include <algorithm>

#include "jobs/record/journal.hpp"
#include "tests/temp_folder.hpp"

namespace wf {
namespace {

constexpr std::int64_t epoch = 2;

/// Forty events of one epoch, of every kind, with texts that look like the frame of an event.
std::vector<Event> forty_events() {
  std::vector<Event> events;
  for (int i = 0; i < 40; ++i) {
    Event event{.kind = static_cast<Event::Kind>(i % (Event::ended + 1)), .epoch = epoch, .number = i + 1};
    event.time = 1764403200.5 + i;
    event.clip = "clip-" + std::to_string(i % 7);
    event.rank = i % 3;
    if (i % 4 == 0) event.text = R"({"e":1,"crc":"12345678"} )" + std::to_string(i);
    if (i % 5 == 0) event.seconds = {{"high", i * 0.5}, {"low", 1}};
    events.push_back(event);
  }
  return events;
}

struct Line {
  std::size_t begin, end;  ///< Without the newline.
};

struct Text {
  std::string bytes;
  std::vector<Line> lines;
};

Text text_of(const std::vector<Event>& events) {
  Text text;
  for (const Event& event : events) {
    const std::size_t begin = text.bytes.size();
    text.bytes += to_line(event);
    text.lines.push_back({begin, text.bytes.size()});
    text.bytes += '\n';
  }
  return text;
}

class DamagedJournal : public ::testing::Test {
 protected:
  /// The events of the lines that lie outside of the bytes [begin, end).
  std::vector<Event> events_outside(std::size_t begin, std::size_t end) const {
    std::vector<Event> outside;
    for (std::size_t i = 0; i < events.size(); ++i)
      if (text.lines[i].end <= begin || text.lines[i].begin >= end) outside.push_back(events[i]);
    return outside;
  }
  /// Expects to read exactly the events that the bytes [begin, end), which differ, do not touch.
  void expect_others(const std::string& damaged, std::size_t begin, std::size_t end) const {
    const JournalContent content = parse_journal(damaged);
    ASSERT_EQ(content.events, events_outside(begin, end)) << "bytes " << begin << " to " << end;
    const bool whole_lines = content.events.size() == events.size();
    ASSERT_TRUE(whole_lines || content.damaged > 0) << "damage at " << begin << " is not told";
  }

  const std::vector<Event> events = forty_events();
  const Text text = text_of(events);
};

TEST_F(DamagedJournal, IsReadWholeWhenItIsNotDamaged) {
  const JournalContent content = parse_journal(text.bytes);
  EXPECT_EQ(content.events, events);
  EXPECT_EQ(content.damaged, 0u);
  EXPECT_EQ(content.last_epoch, epoch);
}

TEST_F(DamagedJournal, CutAtEveryByteKeepsAllEventsBeforeTheCut) {
  for (std::size_t cut = 0; cut <= text.bytes.size(); ++cut) {
    const JournalContent content = parse_journal(std::string_view(text.bytes).substr(0, cut));
    ASSERT_EQ(content.events, events_outside(cut, text.bytes.size())) << "cut at " << cut;
    const bool torn = cut > 0 && std::ranges::none_of(text.lines, [&](const Line& line) {
                        return line.end == cut || line.end + 1 == cut;
                      });
    ASSERT_EQ(content.damaged, torn ? 1u : 0u) << "cut at " << cut;
  }
}

TEST_F(DamagedJournal, WithAnyByteChangedLosesThatEventAlone) {
  for (std::size_t at = 0; at < text.bytes.size(); ++at) {
    for (const unsigned mask : {0x01u, 0x20u, 0x80u, 0xffu}) {
      std::string damaged = text.bytes;
      damaged[at] = static_cast<char>(static_cast<unsigned char>(damaged[at]) ^ mask);
      expect_others(damaged, at, at + 1);
    }
  }
}

TEST_F(DamagedJournal, WithBlocksOfZerosAtAnyPlaceLosesWhatTheyCover) {
  for (const std::size_t size : {1u, 16u, 512u, 4096u}) {
    for (std::size_t at = 0; at < text.bytes.size(); at += 3) {
      const std::size_t end = std::min(at + size, text.bytes.size());
      std::string damaged = text.bytes;
      std::fill(damaged.begin() + static_cast<std::ptrdiff_t>(at), damaged.begin() + static_cast<std::ptrdiff_t>(end),
                '\0');
      expect_others(damaged, at, end);
    }
  }
}

TEST_F(DamagedJournal, WithZerosInsertedAtAnyPlaceLosesTheEventThatTheySplit) {
  for (std::size_t at = 0; at <= text.bytes.size(); ++at) {
    std::string damaged = text.bytes;
    damaged.insert(at, 100, '\0');
    const auto split =
        std::ranges::find_if(text.lines, [&](const Line& line) { return line.begin < at && at < line.end; });
    split == text.lines.end() ? expect_others(damaged, 0, 0) : expect_others(damaged, split->begin, split->end);
  }
}

TEST_F(DamagedJournal, IsReadAlsoWithoutAnyNewline) {
  std::string damaged = text.bytes;
  std::erase(damaged, '\n');
  EXPECT_EQ(parse_journal(damaged).events, events);
}

TEST_F(DamagedJournal, FencesLinesOfAnOlderEpoch) {
  Event stale{.kind = Event::done, .epoch = epoch - 1, .number = 1000, .time = 1, .clip = "stale"};
  for (const Line& line : text.lines) {
    std::string mixed = text.bytes;
    mixed.insert(line.end, "\n" + to_line(stale));
    const JournalContent content = parse_journal(mixed);
    ASSERT_EQ(content.events, events);
    ASSERT_EQ(content.fenced, 1u);
  }
}

TEST(Journal, OfSeveralEpochsIsReadInItsOrder) {
  const Event first{.kind = Event::began, .epoch = 1, .number = 1, .time = 1};
  const Event second{.kind = Event::began, .epoch = 2, .number = 1, .time = 2};
  const JournalContent content = parse_journal(to_line(first) + "\n" + to_line(second) + "\n");
  EXPECT_EQ(content.events, (std::vector{first, second}));
  EXPECT_EQ(content.last_epoch, 2);
}

TEST(Journal, CountsWhatWasWrittenAgainOnceAndTakesWhatWasMissing) {
  std::vector<Event> events;
  for (int i = 1; i <= 5; ++i) events.push_back({.kind = Event::at_stage, .epoch = 1, .number = i, .time = 1.0 * i});
  std::string text;
  for (const int number : {1, 5, 2, 3, 3, 4, 5}) text += to_line(events[static_cast<std::size_t>(number - 1)]) + "\n";
  const JournalContent content = parse_journal(text);
  EXPECT_EQ(content.events, (std::vector{events[0], events[4], events[1], events[2], events[3]}));
  EXPECT_EQ(content.repeated, 2u);
  EXPECT_TRUE(content.missing.empty());
}

TEST(Journal, OfHostileTextIsReadInTimeInProportionToIt) {
  const std::size_t many = 300'000;  // quadratic time would be minutes
  std::string beginnings, ends = "{\"e\":1,", both;
  for (std::size_t i = 0; i < many; ++i) {
    beginnings += "{\"e\":";
    ends += ",\"crc\":\"00000000\"}";
    both += "{\"e\":,\"crc\":\"\n";
  }
  EXPECT_TRUE(parse_journal(beginnings).events.empty());
  EXPECT_TRUE(parse_journal(beginnings + ",\"crc\":\"00000000\"}").events.empty());
  EXPECT_TRUE(parse_journal(ends).events.empty());
  EXPECT_EQ(parse_journal(both).damaged, many);
}

TEST(JournalReader, ReadsWhatIsNewAndWaitsForTheEndOfALine) {
  const test::TempFolder folder;
  const std::vector<Event> events = forty_events();
  const Text text = text_of(events);
  JournalReader reader(folder.path());
  JournalContent content;
  EXPECT_TRUE(reader.update(content)) << "a journal that is not there yet is empty";
  for (std::size_t size = 0; size <= text.bytes.size(); size += 7) {
    folder.write(".wanfarm/journal.jsonl", text.bytes.substr(0, size));
    ASSERT_TRUE(reader.update(content));
    ASSERT_EQ(content.events, parse_journal(text.bytes.substr(0, size)).events) << size;
    ASSERT_EQ(content.damaged, 0u) << "what is not complete yet is not damaged, at " << size;
  }
}

TEST(JournalReader, BeginsAnewWhenTheFileHasBeenReplaced) {
  const test::TempFolder folder;
  const Text text = text_of(forty_events());
  folder.write(".wanfarm/journal.jsonl", text.bytes);
  JournalReader reader(folder.path());
  JournalContent content;
  reader.update(content);
  const Event other{.kind = Event::began, .epoch = 1, .number = 1, .time = 1};
  folder.write("other", to_line(other) + "\n");
  std::filesystem::rename(folder / "other", folder / ".wanfarm/journal.jsonl");
  EXPECT_FALSE(reader.update(content));
  EXPECT_EQ(content.events, std::vector{other});
}

}  // namespace
}  // namespace wf
