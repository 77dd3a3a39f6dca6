// launcher/doctor/rank_checks.hpp: the part of doctor that needs several ranks: each reports what it has, they run
// short trials together, and rank 0 shows the findings.
#pragma once

#include <functional>

#include "launcher/doctor/finding.hpp"
#include "launcher/options/run_options.hpp"
#include "launcher/run/rank_process.hpp"

namespace wf {

/// Collective over the ranks of `process`. True when all ranks can end in order; false when some are missing, hang or
/// failed a trial: then only RankProcess::end() helps, because MPI_Finalize would wait for them.
/// Never hangs: rank 0 waits a minute for reports and shows which ranks sent none; after five minutes in all `give_up`
/// is called on a thread of its own, because MPI calls inside a trial may wait forever.
/// Throws internal, naming the rank, when a rank's build sends reports that this one cannot read.
bool check_ranks(RankProcess& process, const RunOptions& options, Diagnosis& diagnosis,
                 const std::function<void()>& give_up);

}  // namespace wf
