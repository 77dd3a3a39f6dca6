// cluster/launch/start_ranks.hpp: what --ranks N does. The process that a user starts does not render: it starts N
// ranks with srun or mpirun, forwards signals to them, and ends with their exit code. Calls no MPI function.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cluster/node.hpp"

namespace wf {

/// What happens when ranks are lost.
struct Losses {
  bool others_go_on = false;  ///< the launcher lets the other ranks live, which then have to notice by themselves
  int restarts = 0;           ///< how often in a row, without a finished clip, all ranks are started again
};

/// Starts `ranks` ranks of this program and waits for their end. Commands that render call it before they read
/// anything. Returns nothing when this process itself is to render: it was started alone, or is a rank (where --ranks
/// may only repeat the number of ranks). Returns an exit code, to leave with, when ranks were started and have ended.
///
/// The ranks' stdin is empty. The first SIGINT, SIGTERM, SIGUSR1 or SIGHUP asks all of them to drain (SIGHUP not if it
/// was ignored at the start); a second SIGINT or SIGTERM ends them, with exit code 130 or 143. They also end when this
/// process is killed.
///
/// Throws Error(input) when mpirun or srun started another number of ranks than `ranks`, Error(environment) when
/// neither srun nor mpirun is found.
std::optional<int> run_as_ranks(int ranks, const Losses& losses = {});

/// The exit code that a rank leaves when the run ended because ranks were lost. The user sees 1 instead.
constexpr int code_of_lost_run = 76;

/// Identifies the command that a user gave: the same for all starts of its ranks. Empty unless another process started
/// the ranks.
std::string id_of_command();

/// The command line that the user gave: that of the process that started the ranks, else of this one.
std::vector<std::string> command_of_user();

/// Rank 0 calls it for each finished clip, so that the process that started the ranks knows of progress.
void note_progress();

/// How ranks are started.
struct Launch {
  std::vector<std::string> command;  ///< full path of srun or mpirun, then its arguments
  Environment added_variables;       ///< variables to add to the environment of this process
  bool passes_exit_codes = false;    ///< the launcher passes a rank's exit code on, without a page of explanation
};

/// The launch of `ranks` processes of `program` (its path and arguments): by srun in a Slurm job, else by mpirun, as
/// found in PATH. Variables that the user has set in `variables` keep their values. Throws Error(environment) when
/// neither is found.
Launch launch_of(int ranks, const std::vector<std::string>& program, const Environment& variables,
                 bool others_go_on = false);

/// What each rank is started with: the command line of this process without the flags that it obeys itself, which are
/// --ranks and --on-finish.
std::vector<std::string> command_of_ranks(const std::vector<std::string>& command_line);

/// Whether the launcher was told to let the other ranks go on when one is lost. It then does not end them either when
/// one exits with a code: MPI_Abort does.
bool ranks_may_be_lost();

/// Leaves the run's exit code to the process that started the ranks. Rank 0 calls it as its last act. Returns the code
/// that the calling process should exit with: 0 once the run's code is left, because mpirun takes any other code for a
/// crash, ends the other ranks and prints a page about it; `code` itself when nobody waits for it, or on another rank.
/// Ranks other than 0 therefore exit with 0 as long as rank 0 is there to report how the run went.
int leave_exit_code(int code);
/// The same, but says whether the code is left. The process that started the ranks then sees to it that all of them
/// end.
bool is_exit_code_left(int code);

}  // namespace wf
