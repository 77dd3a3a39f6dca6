// launcher/planner/memory_model.hpp: what a rank's GPU has to hold, part by part. For one rank with both experts the
// sum is peak_bytes_needed() (pipeline/model_parts.hpp) and the margin.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "launcher/planner/placement.hpp"
#include "pipeline/model_parts.hpp"

namespace wf {

/// For what is not in tensors: CUDA's context, the libraries' workspaces, gaps between tensors.
constexpr std::uint64_t margin_bytes = 2ull << 30;
constexpr std::uint64_t cpu_margin_bytes = 512ull << 20;  ///< a process with its libraries

struct MemoryPart {
  std::string name;
  std::uint64_t bytes = 0;
};

/// At the stage that takes most.
struct RankMemory {
  std::string pool;
  Stage stage = Stage::high;
  std::vector<MemoryPart> parts;  ///< none is 0 bytes; the margin is the last
  std::uint64_t total() const;
};

/// A rank of `pool`, for the job that takes most of it. On a CPU experts that come and go are in its memory as well.
RankMemory rank_memory(const ModelParts& parts, const PlacementPlan& plan, const Pool& pool,
                       const std::vector<Job>& jobs, const Execution& execution);

/// Pinned host memory of so many ranks: there lie, for each of them, the experts that come and go. For decoding that
/// is one of a pipeline's, of whatever pool: groups may change their role. 0 on CPUs.
std::uint64_t pinned_bytes(const ModelParts& parts, const PlacementPlan& plan, const Execution& execution, int ranks);

/// Of a node's memory, what wanfarm may fill: the rest is the system's, and files are read through it.
constexpr double usable_host_share = 0.9;

/// Bytes of a clip that waits between two stages: the sample, the corrected one, two predictions, and both texts.
std::uint64_t parked_bytes(const ModelParts& parts, const Job& job);

}  // namespace wf
