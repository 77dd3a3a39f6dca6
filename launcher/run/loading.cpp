#include "launcher/farm/loading.hpp"

#include <algorithm>

namespace wf {
namespace {

/// In the order of loading: the text encoder may have to leave again before the others come, and where experts take
/// turns, the high-noise one is needed first.
constexpr Part order[] = {Part::text_encoder, Part::vae, Part::low_expert, Part::high_expert};

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
      return leads && has_stage(plan, group, Stage::decode);
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
  for (const Part part : order) {
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
                   World& world) {
  for (const SharedPart& shared : parts) {
    const std::unique_ptr<NodeReader> reader = world.node_reader(shared.ranks);
    models.load_ahead(shared.part, *reader);
    if (shared.part == Part::text_encoder && !models.execution().keep_text_encoder) models.embed_ahead(texts);
  }
}

}  // namespace wf
