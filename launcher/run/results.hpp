// launcher/run/results.hpp: the figures in which a run ends: its exit code, the last line of --json, and
// OUTPUT/.wanfarm/summary.json for whoever waits for the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "jobs/output/publish.hpp"

namespace wf {

/// Each clip of the list counts once.
struct Summary {
  std::size_t done = 0;         ///< rendered by this run
  std::size_t skipped = 0;      ///< found finished
  std::size_t failed = 0;       ///< failed for good
  std::size_t quarantined = 0;  ///< set aside, for two ranks were lost with it
  std::size_t cancelled = 0;    ///< by a user
  std::size_t left = 0;         ///< none of these: the run was stopped
  double seconds = 0;           ///< wall time of the run
  std::string held = {};        ///< why the run held itself (launcher/run/failure_limits.hpp); "": it did not
};

/// The exit code of a run: 0 all done, 1 some clips failed or are set aside, 4 held and 75 stopped, with work left.
int exit_code(const Summary& summary);

/// For people: "3 rendered, 2 finished before, 1 failed, 0 left", and in between how many are set aside or cancelled,
/// if any are. The figures add up to the clips of the list.
std::string to_text(const Summary& summary);

/// One line of JSON without a newline at its end.
std::string summary_line(const Summary& summary);

/// The same for all processes of one command of a user, and for all starts of its ranks.
std::string run_id();

/// Writes OUTPUT/.wanfarm/summary.json. exit_code: empty while the run is under way. results_begin: where in
/// results.jsonl the lines of this run begin. Throws Error(storage).
void write_summary(const OutputFolder& folder, const Summary& summary, std::optional<int> exit_code,
                   std::uint64_t results_begin);

/// The clips of a run whose end may have come at any time, also by a kill.
struct RunCounts {
  std::size_t done = 0;    ///< finished, by this run or before
  std::size_t failed = 0;  ///< failed or set aside
  std::size_t left = 0;
  bool operator==(const RunCounts&) const = default;
};
/// Empty when the folder's last run was another command's. Throws nothing.
std::optional<RunCounts> read_run_counts(const Path& output) noexcept;

}  // namespace wf
