// launcher/doctor/meeting.hpp: the ranks of a doctor: each tells rank 0 what it has, they try things together, rank 0
// shows what it all means.
#pragma once

#include <functional>

#include "launcher/doctor/finding.hpp"
#include "launcher/flags.hpp"
#include "launcher/process.hpp"

namespace wf {

/// True when all ranks can end together; false when some are lost, or hang: then only a quick end of the process helps.
/// Never hangs itself: rank 0 waits a minute for reports, and shows whose are missing; `give_up` is called, on a thread
/// of its own, when a rank waits for another for ever.
bool meet(Process& process, const RunOptions& options, Diagnosis& diagnosis, const std::function<void()>& give_up);

}  // namespace wf
