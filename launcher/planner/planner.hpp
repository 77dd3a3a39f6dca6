// launcher/planner/planner.hpp: finds the placement that finishes a list first on given hardware. Pure functions: the
// same arguments give the same plan. docs/placement.md describes how the planner decides.
#pragma once

#include <string>
#include <vector>

#include "launcher/planner/hardware.hpp"
#include "launcher/planner/memory_model.hpp"
#include "launcher/planner/placement.hpp"

namespace wf {

/// What a plan is made for.
struct PlanRequest {
  Hardware hardware;
  ModelParts model;
  std::vector<Job> jobs;  ///< Not empty.
  PlacementChoices choices;
  Execution execution;  ///< Device, guidance mode and TF32 are read; where experts and texts are is up to the plan.
};

/// How busy a pool is.
struct PoolUse {
  std::string pool;
  double utilisation = 0;  ///< Share of the run in which its groups work, 0..1.
};

/// What a placement is expected to do with a list.
struct Prediction {
  double start_seconds = 0;  ///< Time before the first clip begins.
  double clip_seconds = 0;   ///< Mean time that groups work on a clip, from text to frames; waiting not included.
  double makespan = 0;       ///< Seconds of the whole list, start included.
  double clips_per_hour = 0;
  std::vector<PoolUse> use;
  std::vector<RankMemory> memory;       ///< Memory of a rank, for each pool.
  std::uint64_t pinned_bytes = 0;       ///< Pinned host memory of all nodes together.
  std::uint64_t node_pinned_bytes = 0;  ///< Pinned host memory of the node with most of it.
};

/// One placement that the planner considered.
struct Considered {
  PlacementPlan plan;
  Prediction predicted;
  std::uint64_t shortage = 0;       ///< Bytes that a rank's device lacks; 0: it fits.
  std::uint64_t host_shortage = 0;  ///< Bytes that a node lacks for pinned memory; 0: it fits.
  bool fits() const { return shortage == 0 && host_shortage == 0; }
  const RankMemory& fullest() const;  ///< Memory of the rank that needs most.
};

/// The chosen placement and its rivals.
struct PlanResult {
  std::vector<Considered> considered;  ///< The winner, then those that fit by makespan, then the rest by shortage.
  std::string reason;                  ///< Why the winner was chosen, in one line.
  const Considered& winner() const { return considered.front(); }
};

/// Placements whose makespan is within this share of the shortest count as equally fast, and the first of them in the
/// order of PlacementMode wins: nodes of one kind differ by 3 %, and the makespan does not show the cost of pinned host
/// memory or of a late first clip. The same share holds among splits into pools, where the best balanced one wins.
constexpr double equally_fast = 0.05;

/// Considers every placement that the choices allow. Throws input that says why when they cannot be obeyed, and
/// environment when nothing fits, naming what is short, where, by how much, and what would fit. CPUs are not refused:
/// there the winner may lack memory, because the figure is an estimate and there is swap space.
PlanResult make_plan(const PlanRequest& request);

/// How many clips all groups together may stash between two stages: those that fit into the host memory that pinned
/// memory leaves, less one copy that each group of a pool prefetches. At least 1; INT_MAX where
/// request.hardware.host_bytes is unknown.
int stashed_in_total(const PlanRequest& request, const PlacementPlan& plan);

}  // namespace wf
