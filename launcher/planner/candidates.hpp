// launcher/planner/candidates.hpp: the placements that hardware, model and flags allow, regardless of memory.
#pragma once

#include <vector>

#include "launcher/planner/planner.hpp"

namespace wf {

/// Throws input where --cfg-parallel 2 is asked for and no step has two forwards that two branches could share.
void check_guidance_degree(const PlanRequest& request);

/// Every mode with every degree of guidance (1, or 2 where any clip is guided), Ulysses (up to the number of heads) and
/// ring that makes equal groups of all GPUs; for pipeline every split of the groups into two pools, one after the
/// other. Where GPUs differ, either pool may come first, and either may have text and decoding; groups with GPUs of
/// several kinds come last. Text encoder and decoder are as in PlacementPlan's defaults. Never empty: throws input that
/// says why when the flags leave nothing.
std::vector<PlacementPlan> candidates(const PlanRequest& request);

/// The same placement with its text encoder and decoder where they take less memory, fastest first. On a CPU the only
/// choice is whether the text encoder is unloaded before the experts are loaded.
std::vector<PlacementPlan> memory_variants(const PlacementPlan& plan, const PlanRequest& request);

}  // namespace wf
