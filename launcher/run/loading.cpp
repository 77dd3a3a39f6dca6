#include "launcher/run/loading.hpp"

#include <algorithm>

#include "base/fault.hpp"
#include "base/watched_work.hpp"
#include "parallel/node_reader.hpp"

namespace wf {
namespace {

/// The order of loading: the text encoder first, for it may have to make room for the others, and the high-noise expert
/// last, for it is the one that stays where experts take turns.
constexpr Part loading_order[] = {Part::text_encoder, Part::vae, Part::low_expert, Part::high_expert};

bool has_stage(const PlacementPlan& plan, int group, Stage stage) {
  int first = 0;
  for (const Pool& pool : plan.pools) {
    if (group < first + pool.groups) return std::ranges::find(pool.stages, stage) != pool.stages.end();
    first += pool.groups;
  }
  return false;
}

}  // namespace

bool begins_with(const PlacementPlan& plan, const Groups& groups, int rank, Part part) {
  const int group = groups.of(rank);
  const bool leads = groups.leader(group) == rank;
  switch (part) {
    case Part::text_encoder:
      return leads && has_stage(plan, group, Stage::text);
    case Part::vae:
      return (leads || plan.split_decode) && has_stage(plan, group, Stage::decode);
    case Part::high_expert:
      return has_stage(plan, group, Stage::high);
    case Part::low_expert:
      return has_stage(plan, group, Stage::low);
  }
  return false;
}

std::vector<SharedPart> parts_to_share(const PlacementPlan& plan, const Groups& groups,
                                       const std::vector<std::string>& hosts, int rank) {
  std::vector<SharedPart> parts;
  for (const Part part : loading_order) {
    SharedPart shared{part, {}};
    for (int other = 0; other < std::ssize(hosts); ++other) {
      const bool here = hosts[static_cast<std::size_t>(other)] == hosts[static_cast<std::size_t>(rank)];
      if (here && begins_with(plan, groups, other, part)) shared.ranks.push_back(other);
    }
    const bool takes_part = std::ranges::find(shared.ranks, rank) != shared.ranks.end();
    if (takes_part && shared.ranks.size() > 1) parts.push_back(std::move(shared));
  }
  return parts;
}

void load_together(Models& models, const std::vector<SharedPart>& parts, const std::vector<std::string>& texts,
                   World& world, const Waiting& waiting) {
  for (const SharedPart& shared : parts) {
    NodeReader reader(world, shared.ranks, waiting);
    const WatchedWork watched("", "load the model");  // not before: the ranks have waited for each other
    fault_point("load");
    models.load_ahead(shared.part, reader);
    if (shared.part == Part::text_encoder && !models.execution().keep_text_encoder) models.embed_ahead(texts);
  }
}

}  // namespace wf
