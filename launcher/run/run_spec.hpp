// launcher/run/run_spec.hpp: what rank 0 sends to the other ranks at the start: the run, decided to the last value.
#pragma once

#include <string>
#include <vector>

#include "base/files.hpp"
#include "jobs/job.hpp"
#include "launcher/planner/placement.hpp"

namespace wf {

struct RunSpec {
  std::vector<Job> jobs;  ///< with their seeds drawn
  Path model, output;     ///< absolute
  std::string model_id;   ///< every rank has to find this checkpoint under `model`
  std::string nonce;      ///< stands in the output folder, where every rank has to see it (OutputFolder::write_nonce)
  PlacementPlan plan;
  std::vector<std::size_t> finished;  ///< clips that earlier runs finished, in ascending order
};

std::string to_json(const RunSpec& run);
/// Throws Error(internal) when the text is no RunSpec.
RunSpec run_spec_from(const std::string& json);

}  // namespace wf
