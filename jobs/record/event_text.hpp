// jobs/record/event_text.hpp: finds the intact events in the text of a journal, whatever else is in it. Internal to
// jobs/record.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string_view>

#include "base/files.hpp"
#include "jobs/record/event.hpp"

namespace wf {

// The frame of an event: line_beginning EPOCH ... crc_beginning CRC line_end. In JSON's texts a quotation mark is
// escaped, so that no text of an event contains any of these.
inline constexpr std::string_view line_beginning = "{\"e\":";
inline constexpr std::string_view crc_beginning = ",\"crc\":\"";
inline constexpr std::string_view line_end = "\"}";
inline constexpr std::size_t crc_digits = 8;

/// OUTPUT/.wanfarm/journal.jsonl.
Path journal_file(const Path& output);

std::optional<Event::Kind> kind_named(std::string_view name) noexcept;

/// Where the reader of a text has come.
struct EventScan {
  std::size_t read = 0;     ///< Bytes up to the end of the last intact event or of the last line, whichever is later.
  std::size_t damaged = 0;  ///< Lines, or pieces of lines, within these bytes that belong to no intact event.
  std::size_t rest = 0;     ///< The same behind them: 0 or 1.
};
/// Calls `intact` for every event whose checksum is right, in their order, with what stands before the checksum. Takes
/// time in proportion to the text, whatever the text is.
EventScan for_each_event(std::string_view text, const std::function<void(std::string_view)>& intact);

/// The event of such a text. Empty when it is not one that this version knows.
std::optional<Event> event_from(std::string_view text);
/// Its epoch alone; 0 when it has none.
std::int64_t epoch_of(std::string_view text) noexcept;

}  // namespace wf
