// launcher/submit/follow.hpp: shows how a job stands until it has ended.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/files.hpp"
#include "cluster/slurm/job_state.hpp"

namespace wf {

/// What is followed.
struct Followed {
  std::string job;    ///< Its number in Slurm.
  Path output;        ///< The output folder of its run.
  std::string shown;  ///< The folder as the user wrote it.
  double submitted;   ///< Unix time; events of the folder's journal from before are of other runs.
};

/// Shows why the job waits, and then the run's status whenever that has changed, on stdout, until the job has ended,
/// also when it is put into the queue again in between. Returns the run's exit code from its journal, else the one that
/// the job stands for; 130 when a signal has asked this process to stop, which leaves the job alone. Asks Slurm every
/// five seconds. `ask` takes the place of job_state() in tests.
int follow(const Followed& followed, const std::function<std::optional<JobState>(const std::string&)>& ask = job_state);

}  // namespace wf
