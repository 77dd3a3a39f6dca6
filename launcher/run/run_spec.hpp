// launcher/run/run_spec.hpp: what rank 0 sends to the other ranks at the start: the run, decided to the last value.
#pragma once

#include <string>
#include <vector>

#include "base/files.hpp"
#include "jobs/job.hpp"
#include "jobs/model_source.hpp"
#include "launcher/planner/placement.hpp"

namespace wf {

struct RunSpec {
  std::vector<Job> jobs;  ///< with their seeds drawn
  ModelSource model;      ///< absolute
  Path output;            ///< absolute
  std::string model_id;   ///< every rank has to find this checkpoint under `model`
  std::string nonce;      ///< stands in the output folder, where every rank has to see it (OutputFolder::write_nonce)
  PlacementPlan plan;
  /// Clips that nobody renders, in ascending order: earlier runs did, or they become copies of other clips.
  std::vector<std::size_t> finished;
  /// An earlier start of this command was told to stop: nobody loads or renders anything.
  bool stopped = false;
};

/// The run as bytes of MessagePack. JSON text would have to be UTF-8, which a path need not be.
std::string packed(const RunSpec& run);
/// The inverse function. Throws Error(internal) when the bytes are no RunSpec.
RunSpec run_spec_from(const std::string& packed);

}  // namespace wf
