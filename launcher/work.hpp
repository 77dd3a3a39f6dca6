// launcher/work.hpp: the loop over a batch: which clip next, its stages, its files under their final names.
#pragma once

#include <vector>

#include "jobs/job.hpp"
#include "jobs/publish.hpp"
#include "launcher/flags.hpp"
#include "launcher/results.hpp"
#include "pipeline/models.hpp"

namespace wf {

/// Renders what is not finished yet. A clip's error fails the clip, and the batch goes on; an error of the disk or of
/// the machine ends the batch (thrown). After a stop signal the summary says what is left.
Summary work(const std::vector<Job>& jobs, RunFolder& folder, Models& models, const RunOptions& options);

}  // namespace wf
