// cluster/slurm/job_state.hpp: how a job stands, as scontrol says.
#pragma once

#include <optional>
#include <string>

namespace wf {

struct JobState {
  std::string state;                  ///< "PENDING", "RUNNING", "COMPLETED", ...
  std::string reason;                 ///< Why it waits, or ended: "Resources"; "" where there is none.
  int code = 0;                       ///< Exit code of its batch script.
  int signal = 0;                     ///< That ended the script; 0: none.
  int restarts = 0;                   ///< How often it was put into the queue again.
  std::optional<double> begins = {};  ///< Unix time at which it began, or is expected to.
  std::optional<double> ends = {};    ///< Unix time at which its time limit is reached, or it has ended.
  std::string comment = {};           ///< The first word of it.

  bool waits() const;
  /// True when it will not run again by itself.
  bool has_ended() const;
};

/// What `scontrol show job ID --oneliner` prints. Of a job array, which has a line for each task, the task that is
/// furthest from its end: one at work, or one that waits; when all have ended the one with the worst exit code. Empty
/// for no such text.
std::optional<JobState> parse_job_state(const std::string& text);

/// Asks Slurm, which forgets a job some minutes after its end. Empty when it does not know the job, or does not answer
/// within ten seconds.
std::optional<JobState> job_state(const std::string& job);

/// The exit code that an ended job stands for: that of its script; else, where the job was ended with work left, 75.
int exit_code_of(const JobState& job);

}  // namespace wf
