// launcher/doctor/rates.hpp: what ranks try together: memory that a machine's ranks share, and how fast all send to
// all.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "launcher/doctor/finding.hpp"
#include "launcher/doctor/rank_findings.hpp"
#include "parallel/world.hpp"

namespace wf {

/// What rank 0 has all ranks try at the same time.
struct Trial {
  enum What {
    sharing,
    within,
    all,
    none
  } what = none;           ///< memory of a machine; all-to-all in each machine; of all ranks
  bool nccl = false;       ///< all-to-all over NCCL, from GPU to GPU; else over MPI, from CPU to CPU
  std::int64_t bytes = 0;  ///< to each other rank
};
/// Those that make sense: none of a machine's ranks where no machine has two. 64 MiB to each other rank over NCCL, 16
/// over MPI, less where many of them or little memory ask for it.
std::vector<Trial> choose_trials(const RankReports& reports);

/// How it went for one rank.
struct Tried {
  int rank = 0, peers = 0;  ///< peers: others that took part
  std::string host;
  double seconds = 0;   ///< of an all-to-all
  std::string problem;  ///< empty: none
};

/// Collective over the world. What goes wrong ends after 30 s (to make NCCL's communicators: a minute) and stands in
/// the result; after that, MPI and NCCL are good for nothing but a quick end.
Tried try_together(World& world, at::Device device, const Trial& trial);

/// The slowest rank counts, for it holds up the others.
Finding trial_finding(const Trial& trial, const std::vector<Tried>& tried);

}  // namespace wf
