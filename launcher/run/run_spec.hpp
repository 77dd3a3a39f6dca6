// launcher/farm/run_start.hpp: what rank 0 tells the others at the start: the run, decided to the last value.
#pragma once

#include <string>
#include <vector>

#include "cluster/files.hpp"
#include "jobs/job.hpp"
#include "launcher/planner/placement.hpp"

namespace wf {

struct RunStart {
  std::vector<Job> jobs;  ///< seeds drawn
  Path model, output;     ///< absolute
  std::string model_id;   ///< every rank has to find the same
  std::string word;       ///< that stands in the output folder: every rank has to see it (OutputFolder::leave_word)
  PlacementPlan plan;
  std::vector<std::size_t> finished;  ///< clips that earlier runs finished
};

std::string to_json(const RunStart& start);
RunStart run_start_from(const std::string& json);  ///< throws internal when it is none

}  // namespace wf
