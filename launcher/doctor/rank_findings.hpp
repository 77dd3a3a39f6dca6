// launcher/doctor/rank_findings.hpp: what the reports of all ranks, side by side, say. Pure: no MPI, no GPU. One report
// is a process alone; `reports` is in rank order and never empty.
#pragma once

#include <string>
#include <vector>

#include "launcher/doctor/finding.hpp"
#include "launcher/doctor/rank_report.hpp"

namespace wf {

using RankReports = std::vector<RankReport>;

/// How many there are where; then a line for each: its device, memory and threads.
Findings rank_table(const RankReports& reports);

/// What ranks could not find out.
Findings problems(const RankReports& reports);

/// GPUs that several ranks would take, which NCCL refuses: missing.
Findings shared_gpus(const RankReports& reports);

/// Versions and GPUs that are not the same on all ranks.
Findings differences(const RankReports& reports);

/// Pairs of GPUs of a machine: whether they reach each other's memory.
Findings gpu_links(const RankReports& reports);

/// Whether memory could be pinned, how fast it is copied to the GPU, and `ulimit -l`, which InfiniBand is subject to.
Findings pinned_memory(const RankReports& reports);

/// Whether /dev/shm has room for what the ranks of a machine share: 512 MiB.
Findings shared_memory(const RankReports& reports);

/// True when NCCL can be tried: a GPU of its own for each rank.
bool can_use_nccl(const RankReports& reports);

/// "rank 2", "ranks 0-3, 7".
std::string ranks_in_words(const std::vector<int>& ranks);

}  // namespace wf
