// jobs/record/journal.hpp: OUTPUT/.wanfarm/journal.jsonl, the append-only record of what happened in the runs of an
// output folder. One process writes it, rank 0 of the run that holds the folder's lock; anyone may read it at any time.
//
// A line is an event (event.hpp) as JSON that carries its own checksum. A line is written by one call of write(), so a
// killed process leaves at most one torn line, the last. Each start of a run is an epoch: it begins with a `began`
// event and has the next higher number. Lines of an older epoch behind it come from a process that has lost the lock
// without knowing (a suspended node): they do not count.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.hpp"
#include "jobs/record/event.hpp"

namespace wf {

/// What a journal's text says.
struct JournalContent {
  std::vector<Event> events;     ///< In their order. What is damaged, fenced or repeated is left out.
  std::size_t damaged = 0;       ///< Lines, or pieces of lines, whose checksum is wrong. A torn last line counts.
  std::size_t fenced = 0;        ///< Events of older epochs behind newer ones.
  std::size_t repeated = 0;      ///< Events that were written again because a flush had failed, and are there twice.
  std::int64_t last_epoch = 0;   ///< 0: no run was ever recorded.
  std::int64_t last_number = 0;  ///< The highest of the last epoch.
  std::map<std::int64_t, std::int64_t> missing = {};  ///< Ranges of lower numbers that are not there: first -> last.
};

/// Reads a journal from memory. Never throws, whatever the text is: what is damaged is skipped, and reading goes on at
/// the next intact event, which need not be at the beginning of a line.
JournalContent parse_journal(std::string_view text);
/// Reads OUTPUT/.wanfarm/journal.jsonl. Empty content when there is none. Throws Error(input) when it cannot be read.
JournalContent read_journal(const Path& output);

/// Reads what is new since the last call, for commands that look again and again (`status --watch`).
class JournalReader {
 public:
  explicit JournalReader(const Path& output);
  /// Appends new events to the content, always the same one. A line that is not complete yet is left for the next call.
  /// False when the file had been replaced or had become shorter: then the content was emptied first. Throws
  /// Error(input) when the file cannot be read.
  bool update(JournalContent& content);

 private:
  Path file_;
  std::uint64_t offset_ = 0, inode_ = 0;
};

/// The journal as its one writer sees it. add() may be called from any thread.
class Journal {
 public:
  /// Opens the journal and begins the next epoch, whose events are numbered from 1. Where the last line is torn, a
  /// newline ends it first; nothing is ever removed. Throws Error(storage).
  explicit Journal(const Path& output);
  /// The same for a caller that has read the journal since it has the folder's lock. last_epoch: that of its content.
  Journal(const Path& output, std::int64_t last_epoch);
  /// Flushes. Errors are logged.
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  std::int64_t epoch() const noexcept;
  /// Appends an event: it survives the death of this process at once. It survives the death of the machine after a
  /// second at the latest, when a background thread has flushed it. Where that flush failed, this call first writes
  /// again what was not flushed. Throws Error(storage): then the event is not recorded, and a line of which only a part
  /// was written is ended by a newline as soon as there is room. The next call tries anew.
  void add(Event event);
  /// Waits until all events are on the disk. Throws Error(storage).
  void flush();

 private:
  struct Open;
  std::unique_ptr<Open> open_;
};

}  // namespace wf
