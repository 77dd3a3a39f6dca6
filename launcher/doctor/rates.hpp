// launcher/doctor/rates.hpp: trials that ranks run together: sharing memory within a node, and the rate of an
// all-to-all.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "cluster/world.hpp"
#include "launcher/doctor/finding.hpp"
#include "launcher/doctor/rank_findings.hpp"

namespace wf {

/// What rank 0 has all ranks try at the same time. `sharing`: memory that the ranks of a node share; `within_nodes`,
/// `all_ranks` and `between_nodes`: an all-to-all in each node, over all ranks, or over all ranks of which each sends
/// to those of other nodes alone; `none`: there are no more trials.
struct Trial {
  enum What { sharing, within_nodes, all_ranks, between_nodes, none } what = none;
  bool nccl = false;       ///< All-to-all over NCCL between GPUs, or else over MPI between CPUs.
  std::int64_t bytes = 0;  ///< Bytes that a rank sends to each other rank.
};

/// The trials that make sense for these ranks: none within nodes when no node has two of them, and none between nodes
/// where there is one. An all-to-all sends
/// 64 MiB to each other rank over NCCL and 16 MiB over MPI, less where there are many ranks or little memory.
std::vector<Trial> choose_trials(const RankReports& reports);

/// How a trial went on one rank.
struct TrialResult {
  int rank = 0;
  int peers = 0;  ///< Other ranks that took part.
  std::string host;
  double seconds = 0;   ///< Time of one all-to-all.
  std::string problem;  ///< Why the trial failed; empty: it did not.
};

/// Collective over the world. Never throws: a failure, found after at most 30 s (a minute where NCCL communicators are
/// made), is in the result. After a failure MPI and NCCL are unusable, and the process has to end without finalizing.
TrialResult run_trial(World& world, at::Device device, const Trial& trial);

/// The finding of a trial from the results of its ranks. The rate is that of the slowest rank, which holds up the rest.
/// That between nodes says how plans get it.
Finding trial_finding(const Trial& trial, const std::vector<TrialResult>& results);

}  // namespace wf
