// launcher/run/run_request.hpp: what a verb asks a run to render.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/files.hpp"
#include "jobs/job.hpp"
#include "jobs/model_source.hpp"

namespace wf {

struct RunRequest {
  std::vector<Job> jobs;
  ModelSource model;
  Path output;
  /// Of each job, from seed_keys() of the list that they were selected from (jobs/output/publish.hpp). Empty: the jobs
  /// are the whole list.
  std::vector<std::string> seed_keys = {};
  /// Whether the jobs' saved forwards are decided, as those of drafts are, which are finished as they were begun. Else
  /// the run finds them (launcher/planner/saved_forwards.hpp).
  bool keeps_saved_forwards = false;
};

/// Reads the request. Called on rank 0 alone: the other ranks need not see the prompt list.
using ReadRequest = std::function<RunRequest()>;

}  // namespace wf
