// launcher/status/figures.hpp: how a run stands, in figures: its clips by state, its failures by kind, when it will
// end.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "jobs/record/history.hpp"

namespace wf {

/// The clips of a run by state. Before its list is written, those of the status.
struct ClipCounts {
  std::size_t total = 0, found = 0;       ///< found: those of `done` that an earlier run had finished.
  std::array<std::size_t, 6> by_state{};  ///< Indexed by ClipState.
  std::size_t of(ClipState state) const { return by_state[static_cast<std::size_t>(state)]; }
};
ClipCounts count_clips(const RunHistory& history);

/// Clips that failed for good with one kind of error, or were set aside ("quarantined").
struct FailureKind {
  std::string kind;
  std::vector<std::size_t> clips;  ///< Indices into RunHistory::clips.
};
/// The most frequent kind first.
std::vector<FailureKind> failures_by_kind(const RunHistory& history);

/// What may be expected of a run, as far as it is known. Negative values are not known.
struct Outlook {
  double share = 0;  ///< Of the work that is done, 0..1.
  double seconds_left = -1, least = -1, most = -1;
  double clips_per_hour = 0;  ///< 0: none was rendered yet.
};
/// now: Unix time. A run that is not at work has no end in sight.
Outlook outlook_of(const RunHistory& history, double now);

/// The status of the run's last start; null when it has not written any yet.
const LiveStatus* current_status(const RunHistory& history);
/// One word: "loading", "running", "paused", "draining", "ended", "silent".
std::string state_of(const RunHistory& history, double now);
/// Seconds since the run was last heard of.
double silence_of(const RunHistory& history, double now);
/// What the end of a run means for its list: that of its exit code, or with exit code 0 "3 of 6 clips are done" where a
/// user cancelled some, or had a part of the list rendered.
std::string meaning_of_end(const RunHistory& history);
/// What an exit code means: "stopped with work left".
std::string meaning_of_exit_code(int code);

}  // namespace wf
