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

/// A rank of `pool`, for the job that takes most of it.
RankMemory rank_memory(const ModelParts& parts, const PlacementPlan& plan, const Pool& pool,
                       const std::vector<Job>& jobs, bool tf32);

/// Pinned host memory of all nodes together: the experts that come and go lie there, for every rank that needs them.
std::uint64_t pinned_bytes(const ModelParts& parts, const PlacementPlan& plan);

}  // namespace wf
