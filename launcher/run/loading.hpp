// launcher/farm/loading.hpp: what the ranks of a machine load before the first clip, each byte read by one of them.
#pragma once

#include <string>
#include <vector>

#include "launcher/farm/groups.hpp"
#include "launcher/planner/placement.hpp"
#include "parallel/world.hpp"
#include "pipeline/models.hpp"

namespace wf {

/// Whether a rank needs the part for its group's first role. Texts and frames are a group's leader's. Pure.
bool begins_with(const PlacementPlan& plan, const Groups& groups, int rank, Part part);

/// A part of the model, and the ranks of one machine that begin with it.
struct SharedPart {
  Part part;
  std::vector<int> ranks;  ///< two or more
  bool operator==(const SharedPart&) const = default;
};

/// Those of the machine of `rank` that it takes part in, in the order of loading, which is the same for all ranks. What
/// only one rank of a machine needs is not here: it is loaded when it is needed. Pure.
std::vector<SharedPart> parts_to_share(const PlacementPlan& plan, const Groups& groups,
                                       const std::vector<std::string>& hosts, int rank);

/// Loads them: every rank of `world` calls. Where the text encoder is to leave the device again, `texts` are embedded
/// before it does.
void load_together(Models& models, const std::vector<SharedPart>& parts, const std::vector<std::string>& texts,
                   World& world);

}  // namespace wf
