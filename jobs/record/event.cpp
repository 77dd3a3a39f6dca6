#include "jobs/record/event.hpp"

#include <spdlog/fmt/fmt.h>

#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/crc32c.hpp"
#include "jobs/record/event_text.hpp"

namespace wf {
namespace {

constexpr std::array<std::string_view, 18> names{
    "began",       "found", "assigned",  "at_stage",      "handed_over", "done",   "failed",  "interrupted", "lost",
    "quarantined", "role",  "cancelled", "not_cancelled", "retried",     "paused", "resumed", "draining",    "ended"};

std::string json_text(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void add_text(std::string& line, std::string_view key, std::string_view value) {
  if (!value.empty()) line += fmt::format(",\"{}\":{}", key, json_text(value));
}

void add_number(std::string& line, std::string_view key, std::int64_t value, std::int64_t none) {
  if (value != none) line += fmt::format(",\"{}\":{}", key, value);
}

/// JSON has no infinities, and no clip takes that long.
void add_seconds(std::string& line, const std::map<std::string, double>& seconds) {
  if (seconds.empty()) return;
  std::string members;
  for (const auto& [stage, value] : seconds)
    if (std::isfinite(value)) members += fmt::format("{}{}:{}", members.empty() ? "" : ",", json_text(stage), value);
  line += ",\"seconds\":{" + members + "}";
}

}  // namespace

std::string_view to_string(Event::Kind kind) noexcept { return names[static_cast<std::size_t>(kind)]; }

std::optional<Event::Kind> kind_named(std::string_view name) noexcept {
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i] == name) return static_cast<Event::Kind>(i);
  return {};
}

std::string to_line(const Event& event) {
  std::string line = fmt::format("{}{},\"n\":{},\"t\":{:.3f},\"k\":\"{}\"", line_beginning, event.epoch, event.number,
                                 event.time, to_string(event.kind));
  add_text(line, "clip", event.clip);
  add_text(line, "fingerprint", event.fingerprint);
  add_number(line, "rank", event.rank, -1);
  add_text(line, "stage", event.stage);
  add_number(line, "attempt", event.attempt, 0);
  add_seconds(line, event.seconds);
  add_text(line, "file", event.file);
  add_text(line, "error", event.error);
  add_text(line, "text", event.text);
  add_text(line, "job", event.job);
  if (event.again) line += ",\"again\":true";
  add_number(line, "code", event.code, -1);
  return line + fmt::format("{}{:08x}{}", crc_beginning, crc32c(line), line_end);
}

}  // namespace wf
