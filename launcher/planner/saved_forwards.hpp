// launcher/planner/saved_forwards.hpp: which forwards the clips of a run save, once its model is known: each clip's
// step cache meets the model's table, and its guidance interval the schedule.
#pragma once

#include <string>
#include <vector>

#include "base/files.hpp"
#include "cluster/node.hpp"
#include "jobs/job.hpp"
#include "pipeline/experts/model_parts.hpp"

namespace wf {

/// The user's own table for a model, with the solver and the shift of a clip: step-cache/MODEL_ID-SOLVER-SHIFT.json
/// beside calibration.json (calibration.hpp). `wanfarm calibrate-cache` writes it.
Path step_cache_file(const std::string& model_id, const Job& job, const Environment& variables);

/// Whether a job asks for what find_saved_forwards() finds.
bool saves_forwards(const std::vector<Job>& jobs);

/// Fills in Job::saved of all jobs: call it before they are planned, fingerprinted or sent to other ranks. The table of
/// a step cache is the job's own; else the user's own for the model; else that of step-cache.json in the model's
/// folder; else, for a model of the published size, the published one. The rule is the job's in any case. Returns
/// sentences for the user, as that the published table is taken. Throws input when there is no table, the user's own is
/// broken or a table does not fit the clip, and environment when the model's file is broken.
std::vector<std::string> find_saved_forwards(std::vector<Job>& jobs, const ModelParts& parts);

}  // namespace wf
