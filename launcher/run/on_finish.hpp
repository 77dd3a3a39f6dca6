// launcher/run/on_finish.hpp: the command that a user wants to be run when the run is over (--on-finish).
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "base/files.hpp"
#include "launcher/options/run_options.hpp"

namespace wf {

/// Runs the command once, with `sh -c`, whatever the run's end. It finds in its environment:
///   WANFARM_EXIT_CODE                           the run's exit code
///   WANFARM_OUTPUT                              the output folder, absolute; empty: the list could not be read
///   WANFARM_DONE, WANFARM_FAILED, WANFARM_LEFT  clips: finished (by this run or before), failed or set aside, and
///                                               left; empty: the run did not begin
/// What it writes to stdout goes to stderr, for stdout may hold the lines of --json. Its failure is told on stderr and
/// changes nothing. After a second SIGINT or SIGTERM it is not run, for it would have to be waited for.
///
/// For the process that the user started: the front end, which starts ranks, the single process, or rank 0 under an
/// mpirun of the user; on other ranks nothing is run.
class OnFinish {
 public:
  explicit OnFinish(const RunOptions& options);

  bool wanted() const { return !command_.empty(); }
  /// Where the run's files are, once that is known.
  void output_is(const Path& output);
  /// Runs the command, unless it has been run, and waits for it. For any thread. Throws nothing.
  void run(int exit_code) noexcept;

  /// Returns what `part` returns: an exit code, or an optional one, which is empty when the run is yet to come. Runs
  /// the command when that is the end of the run, and after an exception, which it throws on.
  template <class Part>
  auto after(Part&& part) {
    try {
      const auto code = part();
      if (const std::optional<int> ended = code) run(*ended);
      return code;
    } catch (const std::exception&) {
      run(exit_code(current_error().kind()));
      throw;
    }
  }

 private:
  std::string command_;
  std::mutex mutex_;  ///< guards the next member
  Path output_;
  std::once_flag has_run_;
};

/// run_as_ranks() (cluster/launch/start_ranks.hpp) for a verb that renders, and what follows it. output: the folder as
/// far as flags and list tell; only asked for when there is a command to run.
std::optional<int> run_as_front_end(const RunOptions& options, const std::function<Path()>& output);

}  // namespace wf
