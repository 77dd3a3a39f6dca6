// pipeline/stages/residual_ratios.hpp: the table of a step cache, measured.
#pragma once

#include "jobs/job.hpp"
#include "pipeline/stages/models.hpp"
#include "pipeline/stages/stages.hpp"

namespace wf {

/// Denoises the job's clip with all of its forwards and returns how the residual of each branch changes from step to
/// step: the mean over all tokens of |r_i| / |r_(i-1)|, and 1 for the first step. Source: MagCache (arXiv:2506.09045).
/// An expert that is not guided has the conditional ratios for both branches. For one rank; `progress` as in advance(),
/// its answer is ignored. Throws what loading and embedding throw.
StepCacheTable residual_ratios(const Job& job, Models& models, const Progress& progress = {});

}  // namespace wf
