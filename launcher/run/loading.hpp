// launcher/run/loading.hpp: what the ranks of a node load together before the first clip, each byte read by one of
// them.
#pragma once

#include <string>
#include <vector>

#include "cluster/world.hpp"
#include "launcher/planner/placement.hpp"
#include "launcher/run/groups.hpp"
#include "pipeline/stages/models.hpp"

namespace wf {

/// Whether a rank needs the part for its group's first role. Only the leader of a group embeds texts, and, unless the
/// group decodes together, decodes. Pure.
bool begins_with(const PlacementPlan& plan, const Groups& groups, int rank, Part part);

/// A part of the model that several ranks of one node begin with.
struct SharedPart {
  Part part;
  std::vector<int> ranks;  ///< two or more, in ascending order
  bool operator==(const SharedPart&) const = default;
};

/// The parts that `rank` loads together with other ranks of its node, in the order of loading, which is the same on all
/// ranks. A part that only one rank of a node needs is not among them: that rank loads it on first use. low_is_behind:
/// nor is the low-noise expert. Pure.
std::vector<SharedPart> parts_to_share(const PlacementPlan& plan, const Groups& groups,
                                       const std::vector<std::string>& hosts, int rank, bool low_is_behind = false);

/// Gives copies of experts their place in host memory: one for all ranks of a node, or where they cannot share it one
/// for each rank, with one warning. Copies are kept where experts are exchanged, or offloaded for decoding by several
/// ranks; the low-noise expert's alone is there for a while where ranks of a node that hold both load it behind.
/// Collective over the ranks of a node. world: null if the process is alone. Returns whether the low-noise expert is
/// loaded behind, as the plan has it, and not before.
/// Throws Error(environment) when copies cannot be shared, and one for each rank does not fit the node's memory.
bool place_copies(Models& models, const PlacementPlan& plan, const std::vector<std::string>& hosts, World* world,
                  const Waiting& waiting);

/// Loads the parts. Collective over all ranks of `world`. Where the text encoder does not stay on the device, `texts`
/// are embedded before it leaves. waiting: how ranks wait for each other.
void load_together(Models& models, const std::vector<SharedPart>& parts, const std::vector<std::string>& texts,
                   World& world, const Waiting& waiting);

}  // namespace wf
