// launcher/dry_run.hpp: --dry-run: every resolved value, and what is done already. Writes nothing.
#pragma once

#include "launcher/run.hpp"
#include "pipeline/execution.hpp"

namespace wf {

/// Text for people, or one JSON object a clip and one for the run (--json). Returns 0.
int dry_run(const RunRequest& request, const RunOptions& options, const Execution& execution);

}  // namespace wf
