#include "jobs/record/event_text.hpp"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/crc32c.hpp"
#include "jobs/output/publish.hpp"

namespace wf {
namespace {

constexpr std::string_view none = {};

/// The checksum that the text begins with, as to_line() writes it.
std::optional<std::uint32_t> checksum_at(std::string_view text) {
  if (text.size() < crc_digits + line_end.size() || text.substr(crc_digits, line_end.size()) != line_end) return {};
  std::uint32_t value = 0;
  for (const char digit : text.substr(0, crc_digits)) {
    const std::size_t nibble = std::string_view("0123456789abcdef").find(digit);
    if (nibble == std::string_view::npos) return {};
    value = value << 4 | static_cast<std::uint32_t>(nibble);
  }
  return value;
}

/// Where in the text the event begins that ends with this checksum; npos when there is none. An event contains no other
/// beginning than its own, unless a stage is called "e"; that is why the last two are tried.
std::size_t beginning_of(std::string_view text, std::uint32_t checksum) {
  std::size_t at = text.size();
  for (int tries = 0; tries < 2 && at > 0; ++tries) {
    at = text.rfind(line_beginning, at - 1);
    if (at == std::string_view::npos) return at;
    if (crc32c(text.substr(at)) == checksum) return at;
  }
  return std::string_view::npos;
}

/// The lines of the text that are not empty.
std::size_t count_lines(std::string_view text) {
  std::size_t lines = 0;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    lines += line.find_first_not_of(" \r") != std::string_view::npos;
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
  return lines;
}

/// Reads the JSON object that to_line() writes, member by member. Anything else makes ok() false.
class Members {
 public:
  explicit Members(std::string_view text) : rest_(text) { ok_ = skip('{'); }

  bool ok() const noexcept { return ok_; }
  /// The key of the next member; empty at the end.
  std::string_view key() {
    if (!ok_ || rest_.empty() || rest_.front() == '}') return none;
    if (!first_) ok_ = skip(',');
    first_ = false;
    const std::string_view key = literal();
    ok_ = ok_ && skip(':');
    return ok_ ? key : none;
  }
  template <class Number>
  void number(Number& value) {
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    ok_ = ok_ && error == std::errc{};
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
  }
  void text(std::string& value) {
    const std::string_view raw = literal();
    if (raw.find('\\') == none.npos) {
      value = raw;
    } else {
      const auto json = nlohmann::json::parse('"' + std::string(raw) + '"', nullptr, false);
      ok_ = ok_ && json.is_string();
      if (ok_) value = json.get<std::string>();
    }
  }
  void truth(bool& value) {
    value = rest_.starts_with("true");
    ok_ = ok_ && (value || rest_.starts_with("false"));
    rest_.remove_prefix(std::min(rest_.size(), std::size_t{value ? 4u : 5u}));
  }
  void numbers(std::map<std::string, double>& values) {
    ok_ = ok_ && skip('{');
    first_ = true;
    for (std::string_view name = key(); ok_ && !name.empty(); name = key()) number(values[std::string(name)]);
    ok_ = ok_ && skip('}');
    first_ = false;
  }
  /// A member of a newer version.
  void any() {
    std::string ignored_text;
    std::map<std::string, double> ignored_numbers;
    bool ignored_truth = false;
    double ignored = 0;
    if (rest_.starts_with('"')) return text(ignored_text);
    if (rest_.starts_with('{')) return numbers(ignored_numbers);
    if (rest_.starts_with('t') || rest_.starts_with('f')) return truth(ignored_truth);
    number(ignored);
  }

 private:
  bool skip(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  /// A JSON string without its quotation marks, still escaped.
  std::string_view literal() {
    if (!ok_ || !skip('"')) return ok_ = false, none;
    std::size_t end = rest_.find_first_of("\"\\");
    while (end != none.npos && rest_[end] == '\\') end = rest_.find_first_of("\"\\", end + 2);
    if (end == none.npos) return ok_ = false, none;
    const std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return text;
  }

  std::string_view rest_;
  bool ok_ = true, first_ = true;
};

/// Reads the member into the event. False when the event is of a kind that this version does not know.
bool read_member(Members& members, std::string_view key, Event& event) {
  if (key == "e") return members.number(event.epoch), true;
  if (key == "n") return members.number(event.number), true;
  if (key == "t") return members.number(event.time), true;
  if (key == "clip") return members.text(event.clip), true;
  if (key == "fingerprint") return members.text(event.fingerprint), true;
  if (key == "rank") return members.number(event.rank), true;
  if (key == "stage") return members.text(event.stage), true;
  if (key == "attempt") return members.number(event.attempt), true;
  if (key == "seconds") return members.numbers(event.seconds), true;
  if (key == "file") return members.text(event.file), true;
  if (key == "error") return members.text(event.error), true;
  if (key == "text") return members.text(event.text), true;
  if (key == "job") return members.text(event.job), true;
  if (key == "again") return members.truth(event.again), true;
  if (key == "code") return members.number(event.code), true;
  if (key != "k") return members.any(), true;
  std::string name;
  members.text(name);
  const auto kind = kind_named(name);
  if (kind) event.kind = *kind;
  return kind.has_value();
}

}  // namespace

Path journal_file(const Path& output) { return hidden_folder(output) / "journal.jsonl"; }

EventScan for_each_event(std::string_view text, const std::function<void(std::string_view)>& intact) {
  EventScan scan;
  std::size_t behind = 0;  // of the last intact event
  std::size_t from = 0;    // where the next one may begin: no event contains what looks like the checksum of another
  for (std::size_t at = text.find(crc_beginning); at != none.npos; at = text.find(crc_beginning, from)) {
    const std::string_view before = text.substr(from, at - from);
    const std::size_t searched = std::exchange(from, at + crc_beginning.size());
    const auto checksum = checksum_at(text.substr(from));
    const std::size_t beginning = checksum ? beginning_of(before, *checksum) : none.npos;
    if (beginning == none.npos) continue;
    intact(before.substr(beginning));
    scan.damaged += count_lines(text.substr(behind, searched + beginning - behind));
    behind = from += crc_digits + line_end.size();
  }
  const std::size_t newline = text.rfind('\n');
  scan.read = std::max(behind, newline == none.npos ? 0 : newline + 1);
  scan.damaged += count_lines(text.substr(behind, scan.read - behind));
  scan.rest = count_lines(text.substr(scan.read));
  return scan;
}

std::optional<Event> event_from(std::string_view text) {
  Event event;
  Members members(text);
  for (std::string_view key = members.key(); !key.empty(); key = members.key())
    if (!read_member(members, key, event)) return {};
  if (!members.ok()) return {};
  return event;
}

std::int64_t epoch_of(std::string_view text) noexcept {
  std::int64_t epoch = 0;
  text.remove_prefix(std::min(text.size(), line_beginning.size()));
  std::from_chars(text.data(), text.data() + text.size(), epoch);
  return epoch;
}

}  // namespace wf
