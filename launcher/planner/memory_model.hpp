// launcher/planner/memory_model.hpp: the memory that a rank's GPU needs, part by part. For one rank with both experts
// the sum is peak_bytes_needed() (pipeline/experts/model_parts.hpp) plus the margin.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "launcher/planner/placement.hpp"
#include "pipeline/experts/model_parts.hpp"

namespace wf {

/// Bytes for all that is not in tensors: the CUDA context, workspaces of libraries, gaps between tensors.
constexpr std::uint64_t margin_bytes = 2ull << 30;
/// Bytes of a CPU process and its libraries without any tensors.
constexpr std::uint64_t cpu_margin_bytes = 512ull << 20;

/// What one use of memory takes: "VAE", "work of denoising".
struct MemoryPart {
  std::string name;
  std::uint64_t bytes = 0;
};

/// Memory of a rank in the stage that needs most.
struct RankMemory {
  std::string pool;
  Stage stage = Stage::high;
  std::vector<MemoryPart> parts;  ///< Never of 0 bytes; the last one is the margin.
  std::uint64_t available = 0;    ///< Of the pool's GPU that has least; predict() fills it in.
  std::uint64_t total() const;    ///< Bytes of all parts.
  /// Bytes that are missing; below 0 those that are left.
  std::int64_t lack() const { return static_cast<std::int64_t>(total()) - static_cast<std::int64_t>(available); }
  std::uint64_t shortage() const { return lack() > 0 ? static_cast<std::uint64_t>(lack()) : 0; }
};

/// Memory of a rank of `pool` for the job that needs most. On a CPU offloaded experts are in the same memory and count.
RankMemory rank_memory(const ModelParts& parts, const PlacementPlan& plan, const Pool& pool,
                       const std::vector<Job>& jobs, const Execution& execution);

/// Bytes of pinned host memory on a node with so many ranks: a copy of both experts that all of them share, where
/// experts are exchanged, or where the one that a rank of a pool holds is offloaded for decoding (in every pool,
/// because groups may change their role); then a rank alone has a copy of that one. A draft has one for each rank. 0 on
/// CPUs.
std::uint64_t pinned_bytes(const ModelParts& parts, const PlacementPlan& plan, const Execution& execution, int ranks);

/// Share of a node's memory that wanfarm may fill. The rest is for the system and its page cache.
constexpr double usable_host_share = 0.9;

/// Bytes of a clip that is stashed between two stages: sample, corrected sample, two predictions and both texts.
std::uint64_t stashed_bytes(const ModelParts& parts, const Job& job);

}  // namespace wf
