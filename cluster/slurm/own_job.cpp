#include "cluster/slurm/own_job.hpp"

#include <cstdio>

#include "cluster/slurm/program.hpp"

namespace wf {
std::optional<OwnJob> own_job(const Environment& variables) {
  OwnJob job{.id = value_of(variables, "SLURM_JOB_ID"), .name = {}};
  if (job.id.empty()) return {};
  const std::string array = value_of(variables, "SLURM_ARRAY_JOB_ID"),
                    task = value_of(variables, "SLURM_ARRAY_TASK_ID");
  job.name = array.empty() || task.empty() ? job.id : array + "_" + task;
  int restarts = 0;
  std::sscanf(value_of(variables, "SLURM_RESTART_COUNT").c_str(), "%d", &restarts);
  job.starts = 1 + restarts;
  return job;
}

bool set_job_comment(const std::string& id, const std::string& comment) {
  return answer_of({"timeout", "3", "scontrol", "update", "JobId=" + id, "Comment=" + comment}).code == 0;
}

}  // namespace wf
