// cluster/slurm/own_job.hpp: the job that this process runs in.
#pragma once

#include <optional>
#include <string>

#include "cluster/node.hpp"

namespace wf {

struct OwnJob {
  std::string id;    ///< As scontrol takes it: "17", also of a task of an array.
  std::string name;  ///< As users see it: "17", of a task of an array "17_3".
  int starts = 1;    ///< How often Slurm has started it: 1 and its restarts.
};

/// From SLURM_JOB_ID, SLURM_ARRAY_JOB_ID, SLURM_ARRAY_TASK_ID and SLURM_RESTART_COUNT. Empty outside of a job.
std::optional<OwnJob> own_job(const Environment& variables);

/// Writes the job's comment, which squeue shows (--format=%k). False when Slurm does not take it within
/// three seconds; nobody is kept waiting longer for a comment.
bool set_job_comment(const std::string& id, const std::string& comment);

}  // namespace wf
