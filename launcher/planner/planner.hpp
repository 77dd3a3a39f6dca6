// launcher/planner/planner.hpp: finds the placement (which rank does what) with which given hardware renders a list in
// the least time. Pure functions: the same arguments give the same plan. docs/placement.md describes how the planner
// decides.
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
  Execution execution;  ///< Device, guidance mode and TF32 are read; the plan decides where experts and texts are kept.
};

/// How busy a pool is: the groups that hold the same expert.
struct PoolUse {
  std::string pool;
  double utilisation = 0;  ///< Share of the run in which its groups work, 0..1.
};

/// What a placement is expected to do with a list.
struct Prediction {
  double start_seconds = 0;  ///< Time before the first clip begins.
  double clip_seconds = 0;   ///< Mean time spent working on a clip, from text to frames, without waiting.
  double makespan = 0;       ///< Seconds for the whole list, start included.
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
  const RankMemory& fullest() const;  ///< Memory of the rank that has least left, or lacks most.
};

/// The chosen placement and its rivals.
struct PlanResult {
  std::vector<Considered> considered;  ///< The winner, the others that fit by makespan, the rest by shortage.
  std::string reason;                  ///< Why the winner was chosen, in one line.
  const Considered& winner() const { return considered.front(); }
};

/// Placements count as equally fast if their makespans exceed the shortest by at most this share; the first of them in
/// the order of PlacementMode wins. The reason: nodes of one kind differ by 3 %, and the makespan does not show the
/// cost of pinned host memory or of a late first clip. Among splits into pools the same share applies, and the best
/// balanced split wins.
constexpr double equally_fast = 0.05;

/// Considers every placement that the choices allow. Throws Error(input), saying why, when the choices cannot be met,
/// and Error(environment) when no placement fits, saying which memory is short, where, by how much, and what would fit.
/// On CPUs a winner that lacks memory is not refused, because the figure is an estimate and there is swap space.
PlanResult make_plan(const PlanRequest& request);

/// How many clips' states all groups together may keep in host memory between two stages: as many as fit beside pinned
/// memory and one prefetched state for each group of a pool. At least 1; INT_MAX where request.hardware.host_bytes is
/// unknown.
int stashed_in_total(const PlanRequest& request, const PlacementPlan& plan);

}  // namespace wf
