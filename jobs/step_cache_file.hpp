// jobs/step_cache_file.hpp: a step cache as a JSON file: {"E": 0.06, "K": 2, "R": 0.4, "conditional": [1.0, ...],
// "unconditional": [1.0, ...], "high_noise_steps": 26}, the last of which may be left out.
#pragma once

#include <string>

#include "base/files.hpp"
#include "jobs/job.hpp"

namespace wf {

/// Reads rule and table, and keeps the file's absolute path. Throws Error(input) that names the file and what is wrong:
/// a key that is missing, unknown or given twice, a value out of its range, lists of different length, a first ratio
/// other than 1.
StepCache read_step_cache(const Path& file);

/// The content of such a file. The cache has a table.
std::string to_json(const StepCache& cache);

}  // namespace wf
