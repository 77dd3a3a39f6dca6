// parallel/shared_host_memory.hpp: blocks of host memory that the ranks of a node have in common.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "cluster/waiting.hpp"
#include "cluster/world.hpp"
#include "parallel/host_memory.hpp"

namespace wf {

/// A block that ranks want to share.
struct WantedMemory {
  std::uint64_t bytes = 0;
  std::uint64_t key = 0;  ///< what will be written there; ranks that share it have the same one
};

/// The blocks of these ranks of `world`, which are on one node; its first rank makes them. Collective over the ranks;
/// waits for all without a deadline. Afterwards each rank has all blocks open, so none depends on another's life.
/// Throws Error(environment), with the same text on all ranks, when one of them cannot make or open a block, or wants
/// another one; or when the user has set WANFARM_SHARE_EXPERTS to 0.
std::vector<std::shared_ptr<HostMemory>> share_host_memory(World& world, const std::vector<int>& ranks,
                                                           const std::vector<WantedMemory>& blocks,
                                                           const Waiting& waiting = {});

}  // namespace wf
