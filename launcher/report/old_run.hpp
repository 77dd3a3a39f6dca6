// launcher/report/old_run.hpp: runs of which there is no record, since an older version rendered them: what their
// sidecars tell.
#pragma once

#include "jobs/record/history.hpp"

namespace wf {

/// The finished clips of the folder, by their numbers in the list. Nothing is known of what failed, nor of ranks and
/// times. Empty when no file in it is a sidecar.
RunHistory history_from_sidecars(const Path& output);

}  // namespace wf
