// launcher/planner/alike_groups.hpp: what the groups of a plan compute with, where a cluster has several kinds of GPU.
#pragma once

#include <string>
#include <vector>

#include "launcher/planner/hardware.hpp"
#include "launcher/planner/placement.hpp"
#include "launcher/planner/planner.hpp"

namespace wf {

/// Consecutive groups that compute with the same.
struct AlikeGroups {
  int count = 1;
  Hardware hardware;  ///< As one of them sees it: if its GPUs differ, with the least memory and the slowest figures.
};

/// All groups of the plan, in their order. A single entry where all GPUs are alike.
std::vector<AlikeGroups> alike_groups(const Hardware& hardware, const PlacementPlan& plan);

/// The groups of one pool of the plan, an index into plan.pools.
std::vector<AlikeGroups> alike_groups(const Hardware& hardware, const PlacementPlan& plan, std::size_t pool);

/// How the request's clips are computed by such groups, whose GPUs need not be those that the request is planned on.
Execution execution_of(const PlanRequest& request, const AlikeGroups& groups);

/// Whether any group of this many ranks has GPUs of several kinds.
bool any_group_mixes_kinds(const Hardware& hardware, int group_size);

/// "4 h100 of 79.1 GiB, 8 l40s of 44.4 GiB"; "2 CPU ranks with 4 threads".
std::string kinds_text(const Hardware& hardware);
/// The same for the GPUs of one pool of the plan.
std::string kinds_text(const Hardware& hardware, const PlacementPlan& plan, std::size_t pool);

}  // namespace wf
