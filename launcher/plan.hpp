// launcher/plan.hpp: where the parts of a model go, from what they take and what there is.
#pragma once

#include <vector>

#include "jobs/job.hpp"
#include "launcher/flags.hpp"
#include "pipeline/model_parts.hpp"

namespace wf {

/// Fills in placement and text device: what the flags ask for, and else the first that fits the largest of the jobs:
/// all resident; without the text encoder once texts are embedded; experts exchanged; the text encoder on the CPU.
/// Takes --gpu-memory into account, and makes it a limit. On a CPU everything is resident. Throws environment when
/// nothing fits, saying what is needed, what there is, and what would help; input when the flags contradict each other.
Execution plan(const ModelParts& parts, const std::vector<Job>& jobs, Execution execution, const RunOptions& options);

}  // namespace wf
