// launcher/planner/planner.hpp: from hardware, model and list to the placement that finishes the list first. A pure
// function: the same arguments give the same plan. docs/placement.md says how it decides.
#pragma once

#include <string>
#include <vector>

#include "launcher/planner/hardware.hpp"
#include "launcher/planner/memory_model.hpp"
#include "launcher/planner/placement.hpp"

namespace wf {

struct PlanRequest {
  Hardware hardware;
  ModelParts model;
  std::vector<Job> jobs;  ///< not empty
  PlacementChoices choices;
  Execution execution;  ///< device (GPU or CPU), guidance mode and TF32 count; what lies where is the plan's to say
};

struct PoolUse {
  std::string pool;
  double utilisation = 0;  ///< share of the run in which its groups work, 0..1
};

struct Prediction {
  double start_seconds = 0;  ///< before the first clip
  double clip_seconds = 0;   ///< from text to frames in its groups, mean of the list; without waiting
  double makespan = 0;       ///< of the whole list, start included
  double clips_per_hour = 0;
  std::vector<PoolUse> use;
  std::vector<RankMemory> memory;       ///< of a rank of each pool
  std::uint64_t pinned_bytes = 0;       ///< of host memory, all nodes together
  std::uint64_t node_pinned_bytes = 0;  ///< of the node with most of it
};

/// One placement that was looked at.
struct Considered {
  PlacementPlan plan;
  Prediction predicted;
  std::uint64_t shortage = 0;       ///< bytes that a rank's device lacks; 0: it fits
  std::uint64_t host_shortage = 0;  ///< bytes that a node lacks for pinned memory
  bool fits() const { return shortage == 0 && host_shortage == 0; }
  const RankMemory& fullest() const;  ///< the rank that needs most
};

struct PlanResult {
  std::vector<Considered> considered;  ///< the winner, the others that fit by makespan, those that do not by shortage
  std::string reason;                  ///< why the winner, in one line
  const Considered& winner() const { return considered.front(); }
};

/// Of each mode and all degrees the fastest is looked for; those within this share of the fastest of all count as
/// equally fast, and of them the first in the order of PlacementMode wins: machines of one kind differ by 3 %, and
/// pinned host memory and late first clips are in no figure. So do splits into pools; there the best balanced wins.
constexpr double equally_fast = 0.05;

/// Every placement that the choices leave. Throws input when they cannot be obeyed, saying why, and environment when
/// nothing fits, naming what is short, where, by how much, and what would fit. CPUs are not refused: there the winner
/// may lack memory, which is an estimate and has swap space behind it.
PlanResult make_plan(const PlanRequest& request);

/// Clips that may wait between two stages, of all groups together: what nodes have left beside pinned memory and the
/// copy of one clip that each group of a pool fetches ahead. At least 1; as many as one likes where
/// request.hardware.host_bytes is not known.
int parked_in_total(const PlanRequest& request, const PlacementPlan& plan);

}  // namespace wf
