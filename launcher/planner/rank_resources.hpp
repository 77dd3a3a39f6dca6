// launcher/planner/rank_resources.hpp: the hardware that one rank of a run has, for the planner.
#pragma once

#include <cstdint>
#include <string>

namespace wf {

/// The hardware of one rank. Ranks send it to rank 0 before a run.
struct RankResources {
  std::string host;                ///< Name of the rank's node: ranks of equal names share its memory.
  std::string device_name;         ///< "NVIDIA H200", or "cpu".
  std::string gpu;                 ///< PCI address of the rank's GPU in its node; "" for a CPU.
  std::uint64_t memory_bytes = 0;  ///< Memory that tensors may take on the rank's GPU; 0 for a CPU.
  std::uint64_t host_bytes = 0;    ///< Memory of the rank's node, or what its container or job may take of it.
  std::uint64_t host_free = 0;     ///< Of it, what nobody has taken; 0: unknown.
  int threads = 1;                 ///< Computing threads of the rank.
};

/// Consecutive ranks of one kind, of a cluster that has several kinds.
struct AlikeRanks {
  int count = 1;
  std::string device_name;
  std::uint64_t memory_bytes = 0;  ///< The least of theirs.
  int threads = 1;
};

}  // namespace wf
