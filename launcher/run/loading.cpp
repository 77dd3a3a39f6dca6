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

/// The experts of which copies are in host memory, in the order in which it is needed.
std::vector<Expert> experts_with_copies(const PlacementPlan& plan, bool alone) {
  if (plan.draft) return {};
  if (plan.mode == PlacementMode::pipeline)
    return shares_offloaded(plan) && !alone ? std::vector{Expert::low, Expert::high} : std::vector<Expert>();
  if (plan.mode == PlacementMode::resident)
    return plan.loads_behind && !alone ? std::vector{Expert::low} : std::vector<Expert>();
  if (alone && !plan.loads_behind) return {Expert::high, Expert::low};
  return {Expert::low, Expert::high};
}

/// The blocks that the ranks share; none, with the reason, which is the same on all of them, if they cannot.
std::vector<std::shared_ptr<HostMemory>> shared_blocks(World& world, const std::vector<int>& ranks,
                                                       const std::vector<WantedMemory>& copies, const Waiting& waiting,
                                                       std::string& why_not) {
  try {
    return share_host_memory(world, ranks, copies, waiting);
  } catch (const Error& error) {
    if (error.kind() != Error::environment) throw;
    why_not = error.what();
    return {};
  }
}

/// Says why each of the ranks has copies of its own, and throws if there is no room for so many.
void accept_own_copies(const std::vector<WantedMemory>& copies, const std::vector<int>& ranks, const World& world,
                       at::Device device, const std::string& why) {
  std::uint64_t of_one = 0;
  for (const WantedMemory& copy : copies) of_one += copy.bytes;
  const std::uint64_t all = of_one * ranks.size(), memory = this_node().memory_bytes;
  const std::string what = fmt::format("{} ranks on {} cannot share their copies of the experts ({})", ranks.size(),
                                       world.hosts()[static_cast<std::size_t>(world.rank())], why);
  const std::string remedy =
      "if they are in containers, one must hold all ranks of a machine, or share its processes (docker run --pid=host)";
  if (device.is_cuda() && static_cast<double>(all) > usable_host_share * static_cast<double>(memory))
    throw Error(Error::environment,
                fmt::format("{}, and one for each takes up to {} of host memory, of which there are {}; {}", what,
                            gibibytes(all), gibibytes(memory), remedy));
  if (world.rank() == ranks.front())
    spdlog::warn("{}: each has its own, up to {} instead of {}; {}", what, gigabytes(all), gigabytes(of_one), remedy);
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
                                       const std::vector<std::string>& hosts, int rank, bool low_is_behind) {
  std::vector<SharedPart> parts;
  for (const Part part : loading_order) {
    if (low_is_behind && part == Part::low_expert) continue;
    SharedPart shared{part, {}};
    for (const int other : ranks_of_node(hosts, rank))
      if (begins_with(plan, groups, other, part)) shared.ranks.push_back(other);
    const bool takes_part = std::ranges::find(shared.ranks, rank) != shared.ranks.end();
    if (takes_part && shared.ranks.size() > 1) parts.push_back(std::move(shared));
  }
  return parts;
}

bool place_copies(Models& models, const PlacementPlan& plan, const std::vector<std::string>& hosts, World* world,
                  const Waiting& waiting) {
  const std::vector<int> ranks = world ? ranks_of_node(hosts, world->rank()) : std::vector{0};
  const std::vector<Expert> experts = experts_with_copies(plan, ranks.size() == 1);
  if (experts.empty()) return plan.loads_behind;
  if (ranks.size() == 1) {
    models.keep_copies_alone(experts);
    return plan.loads_behind;
  }
  const std::vector<WantedMemory> copies = models.host_copies(experts);
  std::string why_not;
  const std::vector<std::shared_ptr<HostMemory>> blocks = shared_blocks(*world, ranks, copies, waiting, why_not);
  if (!blocks.empty()) {
    models.keep_copies_in(blocks, experts);
    return plan.loads_behind;
  }
  if (plan.mode == PlacementMode::resident)
    spdlog::debug("the low-noise expert is loaded before the first clip: {}", why_not);
  else
    accept_own_copies(copies, ranks, *world, models.execution().device, why_not);
  if (exchanges_experts(plan.mode)) models.keep_copies_alone(experts);
  return false;
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
