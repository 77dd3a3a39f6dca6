// launcher/run/dry_run.hpp: --dry-run: shows every resolved value and which clips are finished. Writes nothing.
#pragma once

#include "launcher/options/run_options.hpp"
#include "launcher/run/run_request.hpp"
#include "pipeline/execution.hpp"

namespace wf {

/// Prints text for people, or with --json one object a clip and one for the run. Returns the exit code 0.
int dry_run(RunRequest request, const RunOptions& options, const Execution& execution);

}  // namespace wf
