// launcher/doctor/rank_findings.hpp: what the reports of all ranks mean when they are compared. Pure functions without
// MPI or GPU. `reports` is in rank order and never empty; a process alone has one report.
#pragma once

#include <string>
#include <vector>

#include "launcher/doctor/finding.hpp"
#include "launcher/doctor/rank_report.hpp"

namespace wf {

using RankReports = std::vector<RankReport>;

/// A summary of how many ranks each node has, then a line for each rank: its device, memory and threads.
Findings rank_table(const RankReports& reports);

/// What individual ranks failed to find out.
Findings problems(const RankReports& reports);

/// GPUs that several ranks would use, which NCCL refuses: missing.
Findings shared_gpus(const RankReports& reports);

/// Versions and GPU models that are not the same on all ranks.
Findings differences(const RankReports& reports);

/// Which pairs of GPUs of a node can access each other's memory directly.
Findings gpu_links(const RankReports& reports);

/// Whether memory could be pinned, how fast it is copied to the GPU, and `ulimit -l`, which InfiniBand is subject to.
Findings pinned_memory(const RankReports& reports);

/// Whether /dev/shm has the 512 MiB that ranks of one node want to share.
Findings shared_memory(const RankReports& reports);

/// True when NCCL can be tried: every rank has a GPU of its own and a complete report.
bool can_use_nccl(const RankReports& reports);

/// "rank 2", "ranks 0-3, 7".
std::string ranks_text(const std::vector<int>& ranks);

}  // namespace wf
