// launcher/front.hpp: what --ranks N does. The process that a user starts does not render: it starts N that do, hands
// on signals, and ends with their exit code. No MPI is called here.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cluster/node.hpp"

namespace wf {

/// A command that renders calls this before it reads anything. Nothing returned: go on, for this process renders: it
/// was started alone, or is a rank itself (where --ranks may only repeat how many there are). An exit code: leave with
/// it; the ranks were started, and have ended.
/// Their stdin is empty. The first SIGINT, SIGTERM or SIGUSR1 asks all of them to drain; a second SIGINT or SIGTERM
/// ends them: 130 or 143. They also end when this process is killed. Throws input when mpirun or srun started another
/// number of ranks than `ranks`; environment when there is no mpirun.
std::optional<int> run_as_ranks(int ranks);

/// How ranks are started.
struct Launch {
  std::vector<std::string> words;  ///< the launcher's full path, then its arguments
  Environment added;               ///< to the variables of this process
  bool keeps_codes = false;        ///< an exit code passes unchanged, and without a page of explanation
};

/// `ranks` processes of `program` (its path and arguments): with srun in a Slurm job, else with mpirun, as found in
/// PATH. What the user has set in `variables` stays.
Launch launch_of(int ranks, const std::vector<std::string>& program, const Environment& variables);

/// What is left of a command line when this process stands in front: the same without --ranks.
std::vector<std::string> without_ranks(const std::vector<std::string>& words);

/// For rank 0, as its last act: tells the front end the exit code of the run. Returns what the process itself should
/// exit with: mpirun takes anything but 0 for a crash, ends the other ranks and explains it on a page; so 0 when the
/// front end was told, and `code` when there is none, or on another rank. Ranks other than 0 therefore leave with 0
/// whenever rank 0 is there to tell how the run went.
int leave_exit_code(int code);

}  // namespace wf
