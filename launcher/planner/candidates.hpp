// launcher/planner/candidates.hpp: the placements that hardware, model and flags allow, before their memory is looked
// at.
#pragma once

#include <vector>

#include "launcher/planner/planner.hpp"

namespace wf {

/// Equal groups that use every GPU: guidance 1 or 2, ulysses up to the heads, ring; each mode; for pipeline every split
/// into two pools, one after the other. Text and memory are as in PlacementPlan's defaults. Never empty: throws input
/// when the choices leave nothing, saying why.
std::vector<PlacementPlan> candidates(const PlanRequest& request);

/// The same placement with its texts and its decoder where they take less memory, best first. On a CPU there is no
/// other place, but the text encoder may go before the experts come.
std::vector<PlacementPlan> memory_variants(const PlacementPlan& plan, const PlanRequest& request);

}  // namespace wf
