#include "launcher/run/loading.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "base/error.hpp"
#include "base/fault.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "base/watched_work.hpp"
#include "cluster/node.hpp"
#include "launcher/planner/memory_model.hpp"
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

/// Says why each of the ranks has copies of its own, and throws if there is no room for so many.
void accept_own_copies(const Models& models, const std::vector<int>& ranks, int rank, const std::string& why) {
  std::uint64_t of_one = 0;
  for (const WantedMemory& copy : models.host_copies()) of_one += copy.bytes;
  const std::uint64_t all = of_one * ranks.size(), memory = this_node().memory_bytes;
  const std::string what =
      fmt::format("{} ranks on {} cannot share their copies of the experts ({})", ranks.size(), this_node().host, why);
  const std::string remedy =
      "a container must hold all ranks of a machine, or have its processes (docker run --pid=host)";
  if (!models.execution().device.is_cpu() && static_cast<double>(all) > usable_host_share * static_cast<double>(memory))
    throw Error(Error::environment,
                fmt::format("{}, and {} of host memory are not enough for copies of their own, {}: {}", what,
                            gibibytes(memory), gibibytes(all), remedy));
  if (rank == ranks.front())
    spdlog::warn("{}: each has its own, {} instead of {}; {}", what, gigabytes(all), gigabytes(of_one), remedy);
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

std::vector<int> ranks_with_copies(const PlacementPlan& plan, const std::vector<std::string>& hosts, int rank) {
  std::vector<int> ranks;
  if (!exchanges_experts(plan.mode) || plan.draft) return ranks;
  for (int other = 0; other < std::ssize(hosts); ++other)
    if (hosts[static_cast<std::size_t>(other)] == hosts[static_cast<std::size_t>(rank)]) ranks.push_back(other);
  return ranks;
}

/// Ranks that load together begin with the low-noise expert, which makes room for the other one.
void place_copies(Models& models, const std::vector<int>& ranks, World* world, const Waiting& waiting) {
  if (ranks.empty()) return;
  if (!world || ranks.size() == 1) return models.keep_copies_alone();
  try {
    models.keep_copies_in(share_host_memory(*world, ranks, models.host_copies(), waiting), Expert::low);
  } catch (const Error& error) {
    accept_own_copies(models, ranks, world->rank(), error.what());
    models.keep_copies_alone();
  }
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
